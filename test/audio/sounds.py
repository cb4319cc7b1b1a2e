"""Sounds to segment, and what is compared of the utterances."""
from hypothesis import strategies as st
import numpy as np
from parakeet_ros.audio import SegmenterConfig

SHORT = SegmenterConfig(max_utterance_s=2.0, hangover_s=0.3)


def sound(pieces, seed=0):
    """Return noise whose level changes: pieces of (seconds, dBFS), float32."""
    rng = np.random.default_rng(seed)
    return np.concatenate([
        np.float32(10 ** (level_db / 20)) * rng.standard_normal(
            round(16_000 * seconds), dtype=np.float32) for seconds, level_db in pieces])


def identity(utterance):
    """Return everything in an utterance, comparable."""
    return (utterance.waveform.tobytes(), utterance.start_sample, utterance.end_sample,
            utterance.speech_start_sample, utterance.speech_end_sample, utterance.end_reason,
            utterance.continues)


pieces_of_sound = st.lists(
    st.tuples(st.floats(0.01, 1.5), st.sampled_from([-90, -65, -50, -35, -20, -10])), max_size=12)
