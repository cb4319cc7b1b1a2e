"""What `/diagnostics` says of a microphone, and of what is wrong with it."""

from typing import Any

from parakeet_ros.audio import StreamStatistics
from parakeet_ros.audio.condition import CLIPPED_SHARE, DEAD_S, FAINT_DB, FAINT_S, Fault, OFFSET
from parakeet_ros.diagnostics import AUDIO_INPUT, WARN
from parakeet_ros.microphone import Microphone

RECENT_GAP_S = 10.0  # of audio; a gap is a warning for so long
OVERRUN_SHARE = 0.05  # of the audio; 44.1 kHz taken for 48 kHz and the like are 8 % or more
OVERRUN_S = 5.0  # of audio before that is judged
STILL_CHUNKS = 50  # a driver may stamp a burst of chunks alike, but not all of them
FAULTS = {
    Fault.DEAD: f'has been the same sample for {DEAD_S:g} s or more: the wrong sound card or '
                'channel, a muted microphone, or a driver without a device.',
    Fault.CLIPPED: f'is clipped: more than {100 * CLIPPED_SHARE:g} % of the samples are at full '
                   'scale. Lower the gain of the microphone.',
    Fault.OFFSET: f'has a DC offset of more than {100 * OFFSET:g} % of full scale: a broken '
                  'microphone or input, or sample_format is not what is sent.',
    Fault.FAINT: f'has been below {FAINT_DB:g} dBFS for {FAINT_S:g} s or more, too quiet for '
                 'speech to be found. If somebody spoke, raise the gain of the microphone, and '
                 'see that it is the right one.',
}


def _key(fault: Fault) -> str:
    """Return the key of a fault's problem."""
    return f'sound is {fault.value}'


KEYS = ('gaps', 'overrun', 'stamps', *(_key(fault) for fault in Fault))


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
    complaints = _complaints(stream.statistics) if stream is not None else {}
    for key in KEYS:
        if key in complaints:
            problems.report(
                key, AUDIO_INPUT, WARN, f'The audio on {audio_input.topic} {complaints[key]}')
        else:
            problems.clear(key)


def _complaints(statistics: StreamStatistics) -> dict[str, str]:
    """Return what is wrong with a stream, by the keys of the problems."""
    complaints = {_key(fault): FAULTS[fault] for fault in statistics.faults}
    if statistics.still_stamps >= STILL_CHUNKS:
        complaints['stamps'] = (
            'has stamps that stand still, so lost audio goes unnoticed and times are counted in '
            'samples. Have the driver stamp each message.')
    if statistics.seconds_since_gap < RECENT_GAP_S:
        complaints['gaps'] = (
            'has gaps: its stamps say that more was recorded than came. Messages are lost on the '
            'way (a slow network, a busy computer), or sample_rate, channels or sample_format is '
            'not what is sent.')
    if statistics.seconds > OVERRUN_S and (
            statistics.overrun_seconds > OVERRUN_SHARE * statistics.seconds):
        complaints['overrun'] = (
            'has more samples than its stamps leave time for: sample_rate, channels or '
            'sample_format is not what is sent.')
    return complaints


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
