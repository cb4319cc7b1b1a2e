"""From a bag to its report: what was published, heard again, and heard under other settings."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from typing import Any

from parakeet_ros.audio.timeline import NS_PER_S
from parakeet_ros.bags.errors import BagError
from parakeet_ros.bags.hearing import BagListener, describe_topics, Heard, no_audio, without_sound
from parakeet_ros.bags.reading import Bag
from parakeet_ros.bags.report.collect import BREAK_NS, Collected, Collector
from parakeet_ros.bags.report.content import (
    Event,
    HeardWord,
    Latencies,
    Passage,
    Report,
    Run,
)
from parakeet_ros.bags.report.line import Finder, Line
from parakeet_ros.bags.report.published import passages, Published, read_published
from parakeet_ros.careful import Engine
from parakeet_ros.parameters import Parameters
from parakeet_ros.speech_messages import error_text

ON_THE_ROBOT = 'on the robot'
TELL_EVERY_S = 1.0  # of the bag


@dataclass(frozen=True)
class Hearing:
    """
    One way to hear a bag.

    :param name: short; `note` says more.
    """

    name: str
    note: str
    parameters: Parameters
    engine: Engine


def choose_topic(bag: Bag, wanted: str | None) -> str:
    """
    Return the audio topic that a report is about.

    :raises BagError: there is none, or more than one and none was asked for.
    """
    if wanted is not None:
        return wanted  # whoever listens to it says what is wrong with it
    if not bag.audio_topics:
        raise BagError(f'{bag.path} has no audio; {describe_topics(bag)}')
    if len(bag.microphones) > 1:
        raise BagError(f'{bag.path}: {describe_topics(bag)}; choose one with --topic')
    return bag.microphones[0]


def build(bag: Bag, topic: str, hearings: Sequence[Hearing],
          progress: Callable[[float], None] = lambda seconds: None) -> tuple[Report, Collected]:
    """
    Hear a bag in each of the ways, and gather all that its report shows.

    :param hearings: one, or two that are compared; the levels shown are those of the first.
    :param progress: told of seconds of the bag that were heard.
    :raises BagError: the topic has no audio that can be read.
    """
    collector = Collector()
    listeners = [BagListener(bag, topic, each.parameters, each.engine,
                             observer=None if index else collector)
                 for index, each in enumerate(hearings)]
    heard = [_listen(each, progress) for each in listeners]
    complaints = listeners[0].complaints
    collected = collector.finish()
    if not collected.line.stretches:
        raise no_audio(bag, topic, complaints)
    published = read_published(bag, topic)
    ahead_ns = listeners[0].origin_ns - bag.start_ns
    runs = [Run(hearing.name, hearing.note, _passages(found, collected.line))
            for hearing, found in zip(hearings, heard)]
    if not published.is_empty:
        runs.insert(0, Run(ON_THE_ROBOT, 'what the node published while the bag was recorded',
                           passages(published, collected.line, ahead_ns)))
    if published.damaged:
        complaints.append(f'{published.damaged} messages on speech/result are not what the node '
                          'publishes')
    events = _events(collected, published, ahead_ns)
    return Report(
        title=bag.path.resolve().name,
        facts=_facts(bag, topic, collected, events, listeners[0]),
        problems=list(dict.fromkeys([*bag.losses, *complaints])),
        runs=runs,
        latencies=_latencies(published, runs[-len(hearings)].utterances),
        track=collected.track,
        events=events,
        settings=_differences(hearings),
        stretches=collected.line.marks(listeners[0].origin_ns),
        compared=(len(runs) - 2, len(runs) - 1) if len(runs) > 1 else None), collected


def _listen(listener: BagListener, progress: Callable[[float], None]) -> list[Heard]:
    heard, told_s = [], 0.0
    for each in listener.hear():
        heard.append(without_sound(each))
        if listener.position_s - told_s >= TELL_EVERY_S:
            progress(listener.position_s - told_s)
            told_s = listener.position_s
    return heard


def _passages(heard: Sequence[Heard], line: Line) -> tuple[Passage, ...]:
    """Return what was heard on the time line."""
    finder, found = Finder(line), []
    for each in heard:
        first, last, transcript = each.result.parts[0], each.result.parts[-1], each.transcript
        start_s = finder.find(each.start_ns, each.end_ns)

        def position(stamp_ns: int, start_ns: int = each.start_ns, at_s: float = start_s) -> float:
            return at_s + (stamp_ns - start_ns) / NS_PER_S
        error = each.result.error
        found.append(Passage(
            each.utterance_id, start_s, position(each.end_ns), position(first.speech_start_ns),
            position(last.speech_end_ns), each.text,
            transcript.confidence if transcript is not None else 0.0,
            tuple(HeardWord(word.text, start_s + word.start_s, start_s + word.end_s,
                            word.confidence)
                  for word in (transcript.words if transcript is not None else ())),
            each.result.timings.get('latency_ms'), last.utterance.end_reason,
            error_text(error) if error is not None else None))
    return tuple(found)


def _latencies(published: Published, again: Sequence[Passage]) -> Latencies:
    """Return the latencies that were recorded, or else those of hearing the bag again."""
    if published.measured_ms:
        return Latencies('From the end of speech to the text, as the node measured it on the '
                         'robot.', tuple(published.measured_ms))
    values = tuple(each.latency_ms for each in again if each.latency_ms is not None)
    if not values:
        return Latencies('Nothing was heard, so there is no latency.', ())
    return Latencies('Not measured on the robot: the bag holds no speech/timing. This is what '
                     'this machine, hearing the bag now, would have needed live.', values)


def _events(collected: Collected, published: Published, ahead_ns: int) -> list[Event]:
    """
    Return gaps, restarts and drops in order of time.

    :param ahead_ns: of the recorder's clock the one that stamps the audio is so much.
    """
    line = collected.line
    finder, events = Finder(line), []
    starts_ns = [each.start_ns for each in line.stretches]
    for stamp_ns, missing_ns in collected.gaps:
        if missing_ns > 0 and all(abs(stamp_ns - each) > BREAK_NS for each in starts_ns):
            end_s = finder.find(stamp_ns)
            events.append(_gap(end_s - missing_ns / NS_PER_S, end_s, missing_ns / NS_PER_S))
    for before, after in zip(line.stretches, line.stretches[1:]):
        if after.follows:
            continue
        begin_s = before.line_s + before.seconds
        missing_s = (after.start_ns - before.start_ns) / NS_PER_S - before.seconds
        events.append(_gap(begin_s, after.line_s, missing_s) if missing_s > 0 else Event(
            'restart', begin_s, after.line_s, f'the stamps go back by {-missing_s:.2f} s'))
    finder = Finder(line)
    for receive_ns, count in published.drops:
        at_s = finder.find(receive_ns + ahead_ns)
        noun = 'utterance was' if count == 1 else 'utterances were'
        events.append(Event('drop', at_s, at_s, f'{count} {noun} dropped'))
    return sorted(events, key=lambda event: event.start_s)


def _gap(start_s: float, end_s: float, missing_s: float) -> Event:
    return Event('gap', start_s, end_s, f'no audio for {missing_s:.2f} s', missing_s)


def _facts(bag: Bag, topic: str, collected: Collected, events: Sequence[Event],
           listener: BagListener) -> list[tuple[str, str]]:
    """Return what the head of the page says of the bag."""
    begun = datetime.fromtimestamp(bag.start_ns / NS_PER_S, timezone.utc)
    heard_s = sum(each.seconds for each in collected.line.stretches)
    gaps = [event for event in events if event.kind == 'gap']
    facts = [
        ('Recorded', f'{begun:%Y-%m-%d %H:%M:%S} UTC'),
        ('Length of the bag', _duration(bag.duration_s)),
        ('Audio', f'{_duration(heard_s)} on {topic}'),
        ('Format', _format(listener)),
        ('Messages', f'{listener.messages:,}'.replace(',', ' ')),
        ('Gaps', f'{len(gaps)}, {sum(gap.seconds for gap in gaps):.2f} s in all' if gaps
         else 'none'),
    ]
    restarts = sum(event.kind == 'restart' for event in events)
    if restarts:
        facts.append(('Restarts', str(restarts)))
    return facts


def _differences(hearings: Sequence[Hearing]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the parameters in which two ways to hear differ."""
    if len(hearings) < 2:
        return []
    values: list[dict[str, Any]] = [
        {f'{prefix}{each.name}': getattr(group, each.name)
         for prefix, group in (('', hearing.parameters), ('vad.', hearing.parameters.vad))
         for each in fields(group) if each.name != 'vad'} for hearing in hearings]
    return [(name, tuple(str(each[name]) for each in values)) for name in values[0]
            if len({str(each[name]) for each in values}) > 1]


def _format(listener: BagListener) -> str:
    audio_format = listener.audio_format
    if audio_format is None:
        return 'unknown'
    channels = 'mono' if audio_format.channels == 1 else f'{audio_format.channels} channels'
    return f'{audio_format.sample_format}, {audio_format.sample_rate} Hz, {channels}'


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f'{hours}:{minutes:02}:{rest:04.1f}' if hours else f'{minutes}:{rest:04.1f}'
