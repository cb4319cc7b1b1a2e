"""Speech recognition engine: NVIDIA Parakeet inference in plain PyTorch, without ROS."""

from parakeet_ros.recording import RecordingError

from .decoding import DecodingOptions
from .errors import CheckpointError, DeviceError, ModelNotFoundError, UnsupportedModelError
from .hotwords import Hotwords
from .loading import load_model
from .transcriber import Transcriber
from .transcript import Segment, Timings, Token, Transcript, Word

__all__ = [
    'CheckpointError',
    'DecodingOptions',
    'DeviceError',
    'Hotwords',
    'ModelNotFoundError',
    'RecordingError',
    'Segment',
    'Timings',
    'Token',
    'Transcriber',
    'Transcript',
    'UnsupportedModelError',
    'Word',
    'load_model',
]
