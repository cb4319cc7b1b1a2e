"""What is wrong with a stream of audio, in words. No ROS."""

from parakeet_ros.audio import StreamStatistics
from parakeet_ros.audio.condition import CLIPPED_SHARE, DEAD_S, FAINT_DB, FAINT_S, Fault, OFFSET

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


def complaints_of(statistics: StreamStatistics) -> dict[str, str]:
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
    if statistics.seconds > OVERRUN_S and statistics.overrun_share > OVERRUN_SHARE:
        complaints['overrun'] = (
            'has more samples than its stamps leave time for: sample_rate, channels or '
            'sample_format is not what is sent.')
    return complaints
