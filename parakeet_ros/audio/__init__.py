"""Microphone bytes to utterances: numpy and soxr, no torch, no ROS."""
from parakeet_ros.audio.buffer import Waveform
from parakeet_ros.audio.observer import Level, StreamObserver
from parakeet_ros.audio.pcm import (
    AudioFormat,
    AudioFormatError,
    MIX_DOWN,
    PcmDecoder,
    SAMPLE_FORMATS,
)
from parakeet_ros.audio.resample import Resampler
from parakeet_ros.audio.segmenter import Segmenter, Utterance
from parakeet_ros.audio.settings import FRAME_SAMPLES, SAMPLE_RATE_HZ, SegmenterConfig
from parakeet_ros.audio.stream import AudioStream, StreamUtterance
from parakeet_ros.audio.stream_statistics import StreamStatistics
from parakeet_ros.audio.timeline import Timeline
from parakeet_ros.audio.vad import EnergyVad

__all__ = [
    'FRAME_SAMPLES',
    'MIX_DOWN',
    'SAMPLE_FORMATS',
    'SAMPLE_RATE_HZ',
    'AudioFormat',
    'AudioFormatError',
    'AudioStream',
    'EnergyVad',
    'Level',
    'PcmDecoder',
    'Resampler',
    'Segmenter',
    'SegmenterConfig',
    'StreamObserver',
    'StreamStatistics',
    'StreamUtterance',
    'Timeline',
    'Utterance',
    'Waveform',
]
