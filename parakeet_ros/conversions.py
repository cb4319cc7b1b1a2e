"""Between ROS messages and our own types."""

import json
from typing import Any

from builtin_interfaces.msg import Time
import numpy as np
from parakeet_ros.audio import AudioFormat, AudioFormatError
from parakeet_ros.results import Partial, Result

NS_PER_S = 1_000_000_000
STAMP_SECONDS = -2**31, 2**31 - 1  # what builtin_interfaces/Time can hold
RESULT_SCHEMA = 1
PCM_CODINGS = ('', 'wave', 'raw', 'pcm')  # audio_capture writes 'wave' for headerless PCM


# audio_common_msgs/AudioInfo of mgonzs13/audio_common: PortAudio's number of a format -> our name
# of it, the array that holds the samples, and their type
TYPED_SAMPLES = {
    1: ('F32LE', 'float32_data', '<f4'),
    2: ('S32LE', 'int32_data', '<i4'),
    8: ('S16LE', 'int16_data', '<i2'),
    16: ('S8', 'int8_data', 'i1'),
    32: ('U8', 'uint8_data', 'u1'),
}


def time_to_ns(stamp: Time) -> int:
    """Return a stamp as nanoseconds."""
    return stamp.sec * NS_PER_S + stamp.nanosec


def ns_to_time(ns: int) -> Time:
    """Return nanoseconds as a stamp, the nearest that there is."""
    sec, nanosec = divmod(ns, NS_PER_S)
    low, high = STAMP_SECONDS
    return Time(sec=min(max(sec, low), high), nanosec=nanosec)


def format_from_info(info: Any) -> AudioFormat:
    """
    Read the format of raw audio from `audio_common_msgs/AudioInfo`.

    :raises AudioFormatError: for coded audio (mp3) and unknown formats, naming the remedy.
    """
    coding = info.coding_format.strip().lower()
    if coding not in PCM_CODINGS:
        raise AudioFormatError(coded_audio_message(coding))
    return AudioFormat(info.sample_rate, info.channels, info.sample_format)


def typed_samples(audio: Any) -> tuple[AudioFormat, memoryview]:
    """
    Read `audio_common_msgs/Audio` of mgonzs13/audio_common: its format and its samples as bytes.

    :raises AudioFormatError: if the format is not known, or the samples are in another array than
        the one that it names.
    """
    info, data = audio.info, audio.audio_data
    if info.format not in TYPED_SAMPLES:
        known = ', '.join(f'{number} ({name})' for number, (name, _, _) in TYPED_SAMPLES.items())
        raise AudioFormatError(f'sample format {info.format} is not supported: publish {known}')
    name, field, dtype = TYPED_SAMPLES[info.format]
    audio_format = AudioFormat(info.rate, info.channels, name)
    samples = np.asarray(getattr(data, field), dtype)
    filled = [other for _, other, _ in TYPED_SAMPLES.values() if len(getattr(data, other))]
    if filled and field not in filled:
        raise AudioFormatError(
            f'the format says {field} and the samples are in {", ".join(filled)}: let the '
            'publisher set info.format to what it sends')
    return audio_format, memoryview(samples).cast('B') if len(samples) else memoryview(b'')


def coded_audio_message(coding: str) -> str:
    """Say what to do about audio that is not PCM."""
    return (f'the audio is coded as {coding!r}, and only raw PCM can be read; start '
            'audio_capture with format:=wave')


def error_text(error: Exception) -> str:
    """Name an error and what it says; some say nothing."""
    return f'{type(error).__name__}: {error}'


def result_json(result: Result, model: str) -> str:
    """
    Write the JSON object that goes out on `speech/result`; the README has its schema.

    Word times are seconds from the object's `start`; stamps are in audio time.
    """
    first, last, transcript = result.parts[0], result.parts[-1], result.transcript
    return json.dumps({
        'schema': RESULT_SCHEMA,
        'id': result.utterance_id,
        'start': _stamp(first.start_ns),
        'end': _stamp(last.end_ns),
        'speech_start': _stamp(first.speech_start_ns),
        'speech_end': _stamp(last.speech_end_ns),
        'end_reason': last.utterance.end_reason,
        'text': result.text,
        'confidence': round(transcript.confidence, 3) if transcript else 0.0,
        'words': [
            {'text': w.text, 'start_s': round(w.start_s, 3), 'end_s': round(w.end_s, 3),
             'confidence': round(w.confidence, 3)}
            for w in (transcript.words if transcript else ())],
        'timings': {key: round(value, 3) for key, value in result.timings.items()},
        'error': error_text(result.error) if result.error is not None else None,
        'model': model,
    }, ensure_ascii=False)


def partial_json(partial: Partial) -> str:
    """Write the JSON object that goes out on `speech/partial`."""
    words = partial.text.split()
    return json.dumps({
        'schema': RESULT_SCHEMA,
        'id': partial.utterance_id,
        'start': _stamp(partial.start_ns),
        'end': _stamp(partial.end_ns),
        'text': partial.text,
        'stable': ' '.join(words[:partial.stable_words]),
    }, ensure_ascii=False)


def _stamp(ns: int) -> dict[str, int]:
    return {'sec': ns // NS_PER_S, 'nanosec': ns % NS_PER_S}
