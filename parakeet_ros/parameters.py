"""The parameters of the node: each has one home, a field of `Parameters`. No ROS."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
import re
from typing import Any

from parakeet_ros import DEFAULT_MODEL
from parakeet_ros.audio import AudioFormat, MIX_DOWN, SAMPLE_FORMATS, SegmenterConfig
from parakeet_ros.audio.pcm import MAX_CHANNELS, MAX_SAMPLE_RATE_HZ, MIN_SAMPLE_RATE_HZ
from parakeet_ros.audio.settings import check_ranges
from parakeet_ros.hotword_syntax import parse_hotword

MICROPHONE_NAME = re.compile('[A-Za-z][A-Za-z0-9_]*')
READ_ONLY = 'read-only'  # fixed when the node starts
UNCONFIGURED = 'unconfigured'  # may change while the node is unconfigured
DYNAMIC = 'dynamic'  # may change at any time, takes effect between utterances


def _setting(default: Any, description: str, *, bounds: tuple[float, float] | None = None,
             change: str = UNCONFIGURED) -> Any:
    metadata = {'description': description, 'range': bounds, 'change': change}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Parameters:
    """
    Everything that the node can be told, as one value.

    :raises ValueError: if a value is out of its range, naming the parameter and the bounds.
    """

    model: str = _setting(
        DEFAULT_MODEL, 'Model: org/name[@revision] on the Hugging Face hub, the path of a .nemo '
        'file or of a folder, or "builtin" (small, robot commands only).')
    device: str = _setting('auto', 'Where the model runs: auto, cpu, cuda or cuda:N.')
    dtype: str = _setting(
        'auto', 'Encoder precision: auto (float16 on CUDA; on a CPU the fastest, but float32 for '
        'a small model), float32 (exact), float16, bfloat16 or int8 (CPU only).')
    autostart: bool = _setting(
        True, 'Configure and activate at start, without a lifecycle manager.', change=READ_ONLY)
    queue_size: int = _setting(
        8, 'Utterances that may wait for the engine; more are dropped and counted.',
        bounds=(1, 1000))
    sample_rate: int = _setting(
        16000, 'Sample rate of raw audio in Hz, used until audio_info tells it.',
        bounds=(MIN_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ))
    channels: int = _setting(
        1, 'Channels of raw audio, used until audio_info tells it.', bounds=(1, MAX_CHANNELS))
    sample_format: str = _setting(
        'S16LE', f'Sample format of raw audio ({", ".join(SAMPLE_FORMATS)}), used until '
        'audio_info tells it.')
    channel: int = _setting(
        MIX_DOWN, 'Channel that is listened to, counted from 0; -1 mixes all of them.',
        bounds=(MIX_DOWN, MAX_CHANNELS - 1))
    streams: tuple[str, ...] = _setting(
        (), 'Names of the microphones, each the prefix of its topics; none for one without.')
    batch_size: int = _setting(
        8, 'Utterances of several microphones that the engine takes at once.', bounds=(1, 128))
    partial_interval_s: float = _setting(
        0.0, 'Seconds of speech between two partial results on speech/partial; 0 for none.',
        bounds=(0.0, 10.0), change=DYNAMIC)
    hotwords: tuple[str, ...] = _setting(
        (), 'Phrases, each "phrase" or "phrase:weight", to prefer to what sounds like them.',
        change=DYNAMIC)
    robot_speaking_tail_s: float = _setting(
        0.5, 'Seconds of audio not heard after robot_speaking has become false.',
        bounds=(0.0, 10.0), change=DYNAMIC)
    end_of_stream_s: float = _setting(
        1.0, 'Seconds after the end of the last audio that close an open utterance.',
        bounds=(0.2, 60.0))
    stale_audio_s: float = _setting(
        5.0, 'Seconds without a message after which diagnostics warn.', bounds=(0.5, 3600.0))
    vad: SegmenterConfig = field(default_factory=SegmenterConfig)

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        check_ranges(self)
        for name in self.streams:
            if not MICROPHONE_NAME.fullmatch(name):
                raise ValueError(
                    f'streams has {name!r}: a name is letters, digits and _, no digit first')
        if len(set(self.streams)) < len(self.streams):
            raise ValueError(f'streams is {list(self.streams)}: give each name once')
        try:
            for text in self.hotwords:
                parse_hotword(text)
        except ValueError as error:
            raise ValueError(f'hotwords: {error}') from None

    @property
    def audio_format(self) -> AudioFormat:
        """
        Return the format of raw audio that no audio_info describes.

        :raises AudioFormatError: if it is not supported.
        """
        return AudioFormat(self.sample_rate, self.channels, self.sample_format)


@dataclass(frozen=True)
class Setting:
    """What is known of one ROS parameter: `change` says when it may be set."""

    name: str
    default: bool | int | float | str | list[str]
    description: str
    bounds: tuple[float, float] | None
    change: str


def settings() -> Iterator[Setting]:
    """Yield every ROS parameter in the order of the documentation."""
    for group, prefix, change in ((Parameters, '', None), (SegmenterConfig, 'vad.', DYNAMIC)):
        for f in fields(group):
            if 'description' in f.metadata:
                # to ROS an empty list has no type: a list of one empty text stands for it
                default = [''] if f.default == () else f.default
                yield Setting(prefix + f.name, default, f.metadata['description'],
                              f.metadata.get('range'), change or f.metadata['change'])


def from_values(values: Mapping[str, Any]) -> Parameters:
    """
    Build the parameters from values by ROS name (`vad.onset_db`), defaults elsewhere.

    :raises ValueError: naming the parameter, its value and what is allowed.
    """
    known = {s.name: s for s in settings()}
    groups: dict[str, dict[str, Any]] = {'': {}, 'vad.': {}}
    for name, value in values.items():
        default = known[name].default
        if isinstance(default, float) and type(value) is int:
            value = float(value)
        if type(value) is not type(default):
            raise ValueError(f'{name} is {value!r}; give a {type(default).__name__}')
        if isinstance(value, list):
            if not all(isinstance(text, str) for text in value):
                raise ValueError(f'{name} is {value!r}; give texts')
            value = tuple(text for text in value if text)
        prefix = 'vad.' if name.startswith('vad.') else ''
        groups[prefix][name.removeprefix(prefix)] = value
    try:
        vad = SegmenterConfig(**groups['vad.'])
    except ValueError as error:
        raise ValueError(f'vad.{error}') from None
    return Parameters(**groups[''], vad=vad)
