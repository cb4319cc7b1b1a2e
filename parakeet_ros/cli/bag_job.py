"""One bag, from its path to what is written of it; the same wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any, TYPE_CHECKING

from parakeet_ros.bags.errors import BagError
from parakeet_ros.bags.hearing import (
    BagListener,
    describe_topics,
    Heard,
    no_audio,
    without_sound,
)
from parakeet_ros.bags.reading import Bag, open_bag
from parakeet_ros.bags.writing import refuse_existing, write_speech
from parakeet_ros.cli.formats import FORMATS, to_ctm
from parakeet_ros.parameters import Parameters
from parakeet_ros.speech_messages import result_json

if TYPE_CHECKING:
    from parakeet_ros.careful import Engine
    from parakeet_ros.engine import Transcript

BAG_FORMATS = ('bag', 'copy')
TEXT_FORMATS = ('txt', 'json', *(name for name in FORMATS if name not in ('txt', 'json')))
# of an offline run these are the speed of its machine; without them its output is always the same
RECORDED_TIMINGS = ('audio_s', 'endpoint_ms')


@dataclass(frozen=True)
class BagJob:
    """
    Say how bags are transcribed; it can be sent to another process.

    :param form: one of `TEXT_FORMATS` and `BAG_FORMATS`.
    :param topics: audio topics; all of a bag without any.
    :param model_name: of the engine, for results.
    """

    form: str
    parameters: Parameters
    model_name: str
    topics: tuple[str, ...] = ()
    start_s: float = 0.0
    batch_size: int = 1


@dataclass(frozen=True)
class BagOutcome:
    """
    What became of a bag.

    :param texts: by audio topic, where the form is text.
    :param has_several: whether the bag has more than one microphone, heard or not.
    :param heard_s: seconds of the bag, for each of its topics; `audio_s` are those of utterances.
    :param warnings: what could not be read or transcribed, in sentences.
    """

    texts: dict[str, str]
    has_several: bool
    utterances: int
    audio_s: float
    engine_s: float
    heard_s: float
    warnings: tuple[str, ...]


def transcribe_bag(path: Path, job: BagJob, engine: Engine, target: Path | None = None,
                   on_progress: Callable[[float], None] = lambda audio_s: None,
                   replace: bool = False) -> BagOutcome:
    """
    Transcribe the audio topics of a bag.

    :param target: the folder to write, where the form is a bag.
    :param on_progress: told of every stretch of the bag that has been heard, in seconds.
    :param replace: put it in the place of what is at the target.
    :raises BagError: the bag cannot be read, or has no audio that can be, or not on the topics
        asked for; or there is something at the target.
    :raises FileNotFoundError: there is none.
    """
    if target is not None and not replace:
        refuse_existing(target)  # at once, not when all has been transcribed
    with open_bag(path) as bag:
        heard: dict[str, list[Heard]] = {}
        listeners: dict[str, BagListener] = {}
        warnings, has_audio = [], False
        for topic in topics_to_hear(bag, job.topics):
            listener = BagListener(bag, topic, job.parameters, engine, job.batch_size)
            heard[topic] = _hear(listener, job.start_s, on_progress)
            listeners[topic] = listener
            warnings += listener.complaints
            has_audio |= listener.statistics is not None
            warnings += [f'the engine failed on utterance {each.utterance_id} of {topic}: '
                         f'{each.result.error}' for each in heard[topic] if each.result.error]
        if not has_audio and job.start_s <= bag.duration_s:
            raise no_audio(bag, ', '.join(heard), warnings)
        texts = {}
        has_several = max(len(heard), len(bag.microphones)) > 1
        if job.form in BAG_FORMATS:
            assert target is not None
            write_speech(bag, heard, job.model_name, target, copy=job.form == 'copy',
                         replace=replace)
        else:
            texts = {topic: _to_text(job, path, topic, listener, heard[topic], has_several)
                     for topic, listener in listeners.items()}
        everything = [each for utterances in heard.values() for each in utterances]
        return BagOutcome(
            texts, has_several, len(everything),
            sum((h.end_ns - h.start_ns) / 1e9 for h in everything),
            sum(h.engine_ms for h in everything) / 1e3,
            len(heard) * max(0.0, bag.duration_s - job.start_s),
            tuple(dict.fromkeys([*bag.losses, *warnings])))


def topics_to_hear(bag: Bag, asked_for: Sequence[str] = ()) -> list[str]:
    """
    Return the audio topics that are asked for, or one for each microphone.

    :raises BagError: the bag has none, or not one that is asked for, naming what it has.
    """
    topics = list(dict.fromkeys(asked_for)) or bag.microphones
    missing = [topic for topic in topics if topic not in bag.audio_topics]
    if missing or not topics:
        what = f'no audio on {", ".join(missing)}' if missing else 'no audio'
        raise BagError(f'{bag.path} has {what}; {describe_topics(bag)}')
    return topics


def _hear(listener: BagListener, start_s: float,
          on_progress: Callable[[float], None]) -> list[Heard]:
    """Hear everything; the sound is not kept: a day of talk would not fit in memory."""
    heard = []
    position_s = start_s
    for utterance in listener.hear(start_s):
        heard.append(without_sound(utterance))
        on_progress(listener.position_s - position_s)
        position_s = listener.position_s
    on_progress(listener.position_s - position_s)
    return heard


def _to_text(job: BagJob, path: Path, topic: str, listener: BagListener, heard: Sequence[Heard],
             has_several: bool) -> str:
    """Write what was heard on a topic, times in seconds from the bag's beginning."""
    if job.form == 'json':
        return ''.join(_json_line(path, topic, each, job.model_name) for each in heard)
    if job.form == 'txt':
        return ''.join(f'{listener.begins_s(each):9.2f}  {each.text}\n'
                       for each in heard if each.text)
    from parakeet_ros.engine.joining import join, move

    whole: Transcript = join([
        move(each.transcript, listener.begins_s(each), 0)
        for each in heard if each.transcript is not None])
    if job.form == 'ctm' and has_several:
        return to_ctm(whole, str(path), topic)
    return FORMATS[job.form](whole, str(path))


def _json_line(path: Path, topic: str, heard: Heard, model: str) -> str:
    """Return the object of `speech/result` with where it was heard."""
    fields: dict[str, Any] = json.loads(result_json(heard.result, model))
    fields['timings'] = {key: value for key, value in fields['timings'].items()
                         if key in RECORDED_TIMINGS}
    return json.dumps({'bag': str(path), 'topic': topic, **fields}, ensure_ascii=False) + '\n'
