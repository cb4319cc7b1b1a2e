"""What was said in a recording: texts, with or without times."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

UNIX_TIME_S = 1e8  # times beyond are of the clock (since 1970), those below of the recording
STM_FIELDS = 5  # file, channel, speaker, begin, end; then perhaps a label <...>; then the words
IGNORED = 'ignore_time_segment_in_scoring'


class ReferencesError(ValueError):
    """A file of references that cannot be used; the message names line and remedy."""


@dataclass(frozen=True)
class Reference:
    """
    Words, and when they were said.

    :param span_s: begin and end in seconds from the beginning of the recording, as `bag
        transcribe` counts, or, beyond 10**8, of the clock that stamps the audio; None where that
        is not known.
    """

    text: str
    span_s: tuple[float, float] | None = None

    def since(self, origin_s: float) -> Reference:
        """Return the reference in seconds from the beginning, whose clock time is given."""
        if self.span_s is None or self.span_s[0] < UNIX_TIME_S:
            return self
        begin_s, end_s = self.span_s
        return Reference(self.text, (begin_s - origin_s, end_s - origin_s))


def read_references(path: Path) -> list[Reference]:
    """
    Read a `.txt`, `.jsonl` or `.stm` file.

    A text file holds what was said, in order. A line of JSON is an object with `text` and, with
    times, `start` and `end` in seconds. STM is NIST's (sctk, doc/infmts.htm).

    :raises ReferencesError: another suffix, a line that is not as it must be, no words at all, or
        times for only some of the lines.
    """
    read = {'.txt': _read_txt, '.jsonl': _read_jsonl, '.stm': _read_stm}.get(path.suffix.lower())
    if read is None:
        raise ReferencesError(f'{path}: give references as .txt, .jsonl or .stm')
    references = [each for each in read(path) if each.text.split()]
    if not references:
        raise ReferencesError(f'{path} holds no words; write down what is said in the recording')
    if len({each.span_s is None for each in references}) > 1:
        raise ReferencesError(f'{path} has times in some lines only; give them in all or in none')
    return references


def reference_of(entry: Any, where: str) -> Reference:
    """
    Return the reference in an object of JSON.

    :raises ReferencesError: naming the place and what is missing.
    """
    if not isinstance(entry, dict) or not isinstance(entry.get('text'), str):
        raise ReferencesError(f'{where}: give an object with "text", and "start" and "end"')
    if 'start' not in entry and 'end' not in entry:
        return Reference(entry['text'])
    try:
        span = float(entry['start']), float(entry['end'])
    except (KeyError, TypeError, ValueError):
        raise ReferencesError(f'{where}: give "start" and "end" in seconds') from None
    return _checked(entry['text'], span, where)


def _read_txt(path: Path) -> Iterator[Reference]:
    for line in path.read_text('utf-8').splitlines():
        yield Reference(line)


def _read_jsonl(path: Path) -> Iterator[Reference]:
    for number, line in enumerate(path.read_text('utf-8').splitlines(), start=1):
        where = f'{path}, line {number}'
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as error:
            raise ReferencesError(f'{where} is not JSON: {error}') from None
        yield reference_of(entry, where)


def _read_stm(path: Path) -> Iterator[Reference]:
    for number, line in enumerate(path.read_text('utf-8').splitlines(), start=1):
        if not line.strip() or line.startswith(';;'):
            continue
        where = f'{path}, line {number}'
        parts = line.split(maxsplit=STM_FIELDS)
        try:
            span = float(parts[3]), float(parts[4])
        except (IndexError, ValueError):
            raise ReferencesError(
                f'{where}: give file, channel, speaker, begin, end and words') from None
        words = parts[STM_FIELDS] if len(parts) > STM_FIELDS else ''
        if words.startswith('<') and '>' in words:
            words = words.partition('>')[2]
        if words.strip().lower() != IGNORED:
            yield _checked(words, span, where)


def _checked(text: str, span_s: tuple[float, float], where: str) -> Reference:
    begin_s, end_s = span_s
    if not 0 <= begin_s < end_s < float('inf'):
        raise ReferencesError(f'{where}: it lasts from {begin_s:g} to {end_s:g} s; the end must '
                              'come after the beginning')
    return Reference(text, span_s)
