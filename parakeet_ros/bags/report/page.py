"""The report as one HTML file: every text escaped, every part inside, nothing from a network."""
from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
import json
from string import Template
from typing import Any

from parakeet_ros.bags.report.content import Passage, Report, Run
from parakeet_ros.bags.report.differences import mark, Row
from parakeet_ros.bags.report.histogram import histogram, percentiles

UNSURE = 0.5  # confidence below which a word or utterance is marked


def render(report: Report, rows: Sequence[Row], audio: dict[str, Any]) -> str:
    """
    Return the page.

    :param rows: the utterances of the report's runs, put together by `align`.
    :param audio: a clip for each row, from `sound.payload`.
    """
    folder = files('parakeet_ros.bags.report')
    read = {name: folder.joinpath(name).read_text('utf-8')
            for name in ('page.html', 'page.css', 'timeline.js', 'drawing.js', 'page.js')}
    return Template(read['page.html']).substitute(
        title=escape(report.title),
        css=read['page.css'],
        javascript='\n'.join(read[name] for name in ('drawing.js', 'timeline.js', 'page.js')),
        facts=''.join(f'<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>'
                      for name, value in report.facts),
        problems=''.join(f'<li>{escape(problem)}</li>' for problem in report.problems),
        runs=''.join(f'<li><b>{escape(run.name)}</b> {escape(run.note)}</li>'
                     for run in report.runs),
        settings=_settings(report),
        latency=_latency(report),
        summary=escape(_summary(report, rows)),
        heads=''.join(f'<th scope="col">{escape(run.name)}</th>' for run in report.runs),
        rows=''.join(_row(report, index, row) for index, row in enumerate(rows)),
        data=_script_json(_payload(report, rows)),
        audio=_script_json(audio))


def clock(position_s: float, stretches: Sequence[tuple[float, float]]) -> str:
    """Return the audio time of a position on the time line as minutes and seconds."""
    begin = max((each for each in stretches if each[0] <= position_s), default=stretches[0])
    return _minutes(position_s - begin[0] + begin[1])


def _minutes(seconds: float) -> str:
    tenths = round(abs(seconds) * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    text = f'{hours}:{minutes:02}' if hours else f'{minutes}'
    return f'{"-" if seconds <= -0.05 else ""}{text}:{tenths / 10:04.1f}'


def _summary(report: Report, rows: Sequence[Row]) -> str:
    if not rows:
        return 'Nothing was heard.'
    noun = 'utterance' if len(rows) == 1 else 'utterances'
    if report.compared is None:
        return f'{len(rows)} {noun}.'
    different = sum(row.differs(report.compared) for row in rows)
    first, second = (report.runs[run].name for run in report.compared)
    return (f'{len(rows)} {noun}; in {different} of them {first} and {second} heard different '
            'words.')


def _row(report: Report, index: int, row: Row) -> str:
    """Return a row of the table of utterances."""
    cells = []
    for run, heard in enumerate(row.heard):
        text = _text(row, run, report.compared)
        errors = ''.join(f'<span class="error">{escape(each.error)}</span>'
                         for each in heard if each.error)
        cells.append(f'<td class="text" data-label="{escape(report.runs[run].name)}">'
                     f'{text}{errors}</td>')
    latency = next((each.latency_ms for each in row.everything if each.latency_ms is not None),
                   None)
    start = clock(row.start_s, report.stretches)
    differs = ' class="differs"' if row.differs(report.compared) else ''
    return (
        f'<tr id="row{index}" data-row="{index}"{differs}>'
        f'<td class="play"><button type="button" data-play="{index}" '
        f'aria-label="Play the utterance at {start}">'
        '<svg viewBox="0 0 16 16" aria-hidden="true"><path class="go" d="M4 2.5v11l9-5.5z"/>'
        '<path class="stop" d="M4 3h3v10H4zM9 3h3v10H9z"/></svg></button></td>'
        f'<td class="time" data-label="Time"><button type="button" data-show="{index}" '
        f'aria-label="Show {start} on the time line">{start}</button></td>'
        f'<td class="number" data-label="Length">{row.end_s - row.start_s:.1f} s</td>'
        f'{"".join(cells)}'
        f'{_confidence(row)}'
        f'<td class="number" data-label="Latency">'
        f'{"–" if latency is None else f"{latency:.0f} ms"}</td></tr>\n')


def _confidence(row: Row) -> str:
    """Return the cell with the confidence of the first run that gives one."""
    given = ([each.confidence for each in heard if each.confidence is not None and each.text]
             for heard in row.heard)
    least = next((min(each) for each in given if each), None)
    if least is None:
        return '<td class="number" data-label="Confidence">–</td>'
    unsure = ' unsure' if least < UNSURE else ''
    return (f'<td class="number{unsure}" data-label="Confidence"><span class="meter" '
            f'style="--share:{least:.2f}"></span>{least:.2f}</td>')


def _text(row: Row, run: int, compared: tuple[int, int] | None) -> str:
    """Return what a run heard; where it is compared, with what differs marked."""
    if not row.heard[run]:
        return '<span class="nothing">not heard</span>'
    text = row.text(run)
    if not text:
        return '<span class="nothing">no words</span>'
    if compared is None or run not in compared:
        return escape(text)
    other = row.text(compared[compared[0] == run])
    return ' '.join(f'<mark>{escape(piece.text)}</mark>' if piece.differs else escape(piece.text)
                    for piece in mark(text, other))


def _settings(report: Report) -> str:
    """Return the table of settings that differ, nothing if none does."""
    if not report.settings:
        return ''
    heads = ''.join(f'<th scope="col">{escape(report.runs[run].name)}</th>'
                    for run in report.compared or ())
    rows = ''.join(
        f'<tr><th scope="row"><code>{escape(name)}</code></th>'
        + ''.join(f'<td>{escape(value)}</td>' for value in values) + '</tr>'
        for name, values in report.settings)
    return (f'<table class="settings"><caption>Settings that differ</caption><thead><tr><td></td>'
            f'{heads}</tr></thead><tbody>{rows}</tbody></table>')


def _latency(report: Report) -> str:
    """Return the histogram of latencies, its figures and whose they are."""
    values = report.latencies.values_ms
    source = escape(report.latencies.source)
    if not values:
        return f'<p class="hint">{source}</p>'
    figures = percentiles(values)
    label = ', '.join(f'{name} {value:.0f} ms' for name, value in figures.items())
    chips = ''.join(f'<div><dt>{name}</dt><dd>{value:.0f} ms</dd></div>'
                    for name, value in figures.items())
    return (f'<p class="hint">{source}</p><dl class="facts">{chips}</dl>'
            f'{histogram(values, f"Histogram of {len(values)} latencies: {label}")}')


def _payload(report: Report, rows: Sequence[Row]) -> dict[str, Any]:
    """Return what the drawing needs."""
    return {
        'track': report.track.shortened().payload(),
        'compares': report.compared is not None,
        'stretches': [list(each) for each in report.stretches],
        'events': [vars(event) for event in report.events],
        'runs': [{'name': run.name, 'utterances': _utterances(run)} for run in report.runs],
        'rows': [{'start_s': round(row.start_s, 3), 'end_s': round(row.end_s, 3),
                  'differs': row.differs(report.compared)} for row in rows]}


def _utterances(run: Run) -> list[dict[str, Any]]:
    return [_utterance(heard) for heard in run.utterances]


def _utterance(heard: Passage) -> dict[str, Any]:
    return {
        'id': heard.utterance_id, 'text': heard.text, 'error': heard.error,
        'start_s': round(heard.start_s, 3), 'end_s': round(heard.end_s, 3),
        'speech': [round(heard.speech_start_s, 3), round(heard.speech_end_s, 3)],
        'words': [[word.text, round(word.start_s, 3), round(word.end_s, 3),
                   round(word.confidence, 2)] for word in heard.words]}


def _script_json(value: Any) -> str:
    """Return JSON that can stand in a script element: no text in it can end the element."""
    text = json.dumps(value, ensure_ascii=True, separators=(',', ':'), allow_nan=False)
    return text.replace('<', r'\u003c').replace('>', r'\u003e').replace('&', r'\u0026')
