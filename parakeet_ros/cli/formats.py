"""Transcripts as text, JSON, subtitles and NIST's CTM."""

from __future__ import annotations

from collections.abc import Callable
import html
import json
from pathlib import Path
from typing import TYPE_CHECKING

from parakeet_ros.cli.cues import make_cues
from parakeet_ros.recording import STDIN

if TYPE_CHECKING:
    from parakeet_ros.engine import Transcript


def to_txt(transcript: Transcript, path: str) -> str:
    """Return the text on one line."""
    return f'{transcript.text}\n'


def to_json(transcript: Transcript, path: str) -> str:
    """Return ``Transcript.to_dict`` and the file's path as one line of JSON."""
    return json.dumps({'file': path, **transcript.to_dict()}, ensure_ascii=False) + '\n'


def to_srt(transcript: Transcript, path: str) -> str:
    """Return SubRip subtitles."""
    return ''.join(
        f'{number}\n{_clock(cue.start_s, ",")} --> {_clock(cue.end_s, ",")}\n'
        + '\n'.join(cue.lines) + '\n\n'
        for number, cue in enumerate(make_cues(transcript.words), start=1)
    )


def to_vtt(transcript: Transcript, path: str) -> str:
    """Return WebVTT subtitles."""
    return 'WEBVTT\n\n' + ''.join(
        f'{_clock(cue.start_s, ".")} --> {_clock(cue.end_s, ".")}\n'
        + html.escape('\n'.join(cue.lines), quote=False) + '\n\n'
        for cue in make_cues(transcript.words)
    )


def to_ctm(transcript: Transcript, path: str, topic: str = '') -> str:
    """
    Return one line per word: file, channel, start, duration, word, confidence.

    Source: NIST's sctk, ``doc/infmts.htm``.  Times in seconds; blanks in the file's name, which
    would end the column, become underscores.

    :param topic: follows the file's name, where there are several recordings in one.
    """
    file = Path(path)
    name = 'stdin' if path == STDIN else '_'.join(
        f'{file.name if file.is_dir() else file.stem}{topic.replace("/", ".")}'.split())
    return ''.join(
        f'{name} 1 {word.start_s:.2f} {max(0.0, word.end_s - word.start_s):.2f} {word.text} '
        f'{word.confidence:.3f}\n'
        for word in transcript.words
    )


# Suffix of the output -> how it is made from a transcript and the recording's path.
FORMATS: dict[str, Callable[[Transcript, str], str]] = {
    'txt': to_txt, 'json': to_json, 'srt': to_srt, 'vtt': to_vtt, 'ctm': to_ctm,
}


def _clock(time_s: float, point: str) -> str:
    """Return hours, minutes, seconds and thousandths."""
    seconds, thousandths = divmod(max(0, round(time_s * 1000)), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours:02}:{minutes:02}:{seconds:02}{point}{thousandths:03}'
