"""What `/diagnostics` says of a microphone, and of what is wrong with it."""

from typing import Any

from parakeet_ros.audio_complaints import complaints_of, KEYS
from parakeet_ros.diagnostics import AUDIO_INPUT, WARN
from parakeet_ros.microphone import Microphone


def look_for_audio_problems(microphone: Microphone, limit_s: float) -> None:
    """
    Report what is wrong with the audio of a microphone, and clear what is mended.

    :param limit_s: seconds without a message after which it is called stale.
    """
    audio_input, problems = microphone.input, microphone.problems
    if audio_input is None:
        problems.clear('stale audio', *KEYS)
        return
    if audio_input.age_s < limit_s:
        problems.clear('stale audio')
    else:
        problems.report(
            'stale audio', AUDIO_INPUT, WARN, f'No audio on {audio_input.topic} for more than '
            f'{limit_s:g} s: {audio_input.silence_reason()}')
    stream = microphone.recognizer.stream
    complaints = complaints_of(stream.statistics) if stream is not None else {}
    for key in KEYS:
        if key in complaints:
            problems.report(
                key, AUDIO_INPUT, WARN, f'The audio on {audio_input.topic} {complaints[key]}')
        else:
            problems.clear(key)


def audio_input_values(microphone: Microphone) -> dict[str, Any]:
    """Return the figures of a microphone, by the names that diagnostics give them."""
    audio_input, stream = microphone.input, microphone.recognizer.stream
    gate = microphone.gate
    values: dict[str, Any] = {
        'listening': f'no: {gate.closed_by}' if gate.closed_by else 'yes',
        'ignored s': gate.ignored_s}
    if audio_input is not None:
        values.update({
            'topic': audio_input.topic,
            'type': audio_input.type_name,
            'publishers': audio_input.publishers,
            'messages': audio_input.messages,
            'refused messages': audio_input.refused,
            'age s': audio_input.age_s,
        })
    if stream is not None:
        audio_format, statistics = stream.audio_format, stream.statistics
        values.update({
            'sample rate Hz': audio_format.sample_rate,
            'channels': audio_format.channels,
            'sample format': audio_format.sample_format,
            'audio s': statistics.seconds,
            'utterances': microphone.recognizer.counters.utterances,
            'level dBFS': statistics.level_db,
            'noise floor dBFS': statistics.noise_floor_db,
            'gaps': statistics.gaps,
            'inserted silence s': statistics.inserted_seconds,
            'overrun s': statistics.overrun_seconds,
            'backward stamps': statistics.backward_stamps,
            'bad samples': statistics.bad_samples,
            'clipped samples': statistics.clipped_samples,
        })
    return values
