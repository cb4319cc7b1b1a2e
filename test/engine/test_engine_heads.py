"""Choosing a head, CTC against its definition, and batches of every head."""

from __future__ import annotations

from engine_oracle import MODELS, ORACLE, OracleCase, run_stages
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from parakeet_ros.engine import CheckpointError, load_model
from parakeet_ros.engine.checkpoint import read_checkpoint
from parakeet_ros.engine.confidence import confidence
from parakeet_ros.engine.ctc import ctc_decode, CtcHead
from parakeet_ros.engine.decoding import DecodingOptions
from parakeet_ros.engine.head_config import CtcConfig
from parakeet_ros.engine.model import build_model
import pytest
import torch

CPU = torch.device('cpu')


def test_a_hybrid_decodes_with_its_transducer_unless_asked(oracle_models):
    waveform = OracleCase(oracle_models['hybrid'], 'speech3').waveform
    by_head = {
        head: load_model(ORACLE / 'hybrid.nemo', device='cpu', head=head).transcribe(waveform).text
        for head in ('auto', 'transducer', 'ctc')
    }
    assert by_head['auto'] == by_head['transducer'] != by_head['ctc']


def test_only_the_chosen_head_takes_memory():
    both = {head: load_model(ORACLE / 'hybrid.nemo', device='cpu', head=head).n_parameters
            for head in ('transducer', 'ctc')}
    assert both['ctc'] < both['transducer'] < read_n_parameters('hybrid')


def read_n_parameters(name: str) -> int:
    """Return how many numbers the checkpoint's encoder and heads have."""
    state = read_checkpoint(ORACLE / f'{name}.nemo').state
    return sum(tensor.numel() for key, tensor in state.items()
               if not key.startswith('preprocessor') and 'running' not in key)


def test_a_head_that_the_model_lacks_is_refused_with_the_one_it_has():
    with pytest.raises(CheckpointError, match="rnnt.nemo: the model has no ctc head; use 'tran"):
        load_model(ORACLE / 'rnnt.nemo', device='cpu', head='ctc')
    with pytest.raises(CheckpointError, match="has no transducer head; use 'ctc'"):
        load_model(ORACLE / 'ctc.nemo', device='cpu', head='transducer')


def test_an_unknown_head_is_refused():
    with pytest.raises(ValueError, match="unknown head 'rnn'; give auto, transducer or ctc"):
        load_model('builtin', device='cpu', head='rnn')


def test_a_declared_ctc_head_without_weights_is_missed_only_when_asked_for():
    checkpoint = read_checkpoint(ORACLE / 'hybrid.nemo')
    for name in [name for name in checkpoint.state if name.startswith('ctc_decoder')]:
        del checkpoint.state[name]
    assert build_model(checkpoint, CPU, torch.float32).head.config.kind == 'tdt'
    with pytest.raises(CheckpointError, match='declares a ctc head but the weights do not hold'):
        build_model(checkpoint, CPU, torch.float32, head='ctc')


def naive_ctc(logits: torch.Tensor, blank_id: int) -> tuple[list[int], list[int], list[int]]:
    """Return tokens, frames and durations of ``[T, V]`` as the definition of greedy CTC reads."""
    tokens, frames, durations = [], [], []
    previous = blank_id
    for frame, label in enumerate(logits.argmax(1).tolist()):
        if label == previous != blank_id:
            durations[-1] += 1
        elif label != blank_id:
            tokens.append(label)
            frames.append(frame)
            durations.append(1)
        previous = label
    return tokens, frames, durations


@given(
    seed=st.integers(0, 2**31),
    vocab_size=st.integers(1, 4),
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=4),
    method=st.sampled_from(['max_prob', 'entropy']),
)
@settings(max_examples=100, deadline=None)
def test_ctc_rows_equal_the_definition(seed, vocab_size, lengths, method):
    head = CtcHead(CtcConfig(vocab_size, vocab_size + 1, ('decoder',)))
    head.load_state_dict({'output.weight': torch.eye(vocab_size + 1)[:, :, None],
                          'output.bias': torch.zeros(vocab_size + 1)})
    generator = torch.Generator().manual_seed(seed)
    encoded = 2.0 * torch.randn(
        len(lengths), max(*lengths, 1), vocab_size + 1, generator=generator)
    with torch.inference_mode():
        hypotheses = ctc_decode(
            head, encoded, torch.tensor(lengths), DecodingOptions(confidence=method))
    for logits, length, hypothesis in zip(encoded, lengths, hypotheses, strict=True):
        tokens, frames, durations = naive_ctc(logits[:length], vocab_size)
        assert list(hypothesis.tokens) == tokens
        assert list(hypothesis.frames) == frames
        assert list(hypothesis.durations) == durations
        of_frames = confidence(logits, method).tolist()
        assert list(hypothesis.confidences) == pytest.approx(
            [min(of_frames[frame: frame + duration])
             for frame, duration in zip(frames, durations, strict=True)], abs=1e-6)
        best = logits[:length].log_softmax(1).amax(1)
        spoken = logits[:length].argmax(1) != vocab_size
        assert hypothesis.score == pytest.approx(float(best[spoken].sum()), abs=1e-4)


@pytest.mark.parametrize('method', ['max_prob', 'entropy'])
@pytest.mark.parametrize('vocab_size', [2, 97, 8193])
def test_confidence_runs_from_0_for_uniform_to_1_for_certain(method, vocab_size):
    logits = torch.zeros(3, vocab_size)
    logits[1, 0] = 3.0
    logits[2, 0] = 200.0
    uniform, between, certain = confidence(logits, method).tolist()
    assert uniform == pytest.approx(0.0, abs=1e-5) and certain == pytest.approx(1.0)
    assert uniform <= between < certain


def test_an_unknown_confidence_method_is_refused():
    with pytest.raises(ValueError, match="'margin'; give max_prob or entropy"):
        DecodingOptions(confidence='margin')


# Any cut of any input, in any order: starts and lengths in feature frames of 10 ms.
CUTS = st.lists(
    st.tuples(st.sampled_from(['speech12', 'sweep', 'speech_noise', 'silence']),
              st.integers(0, 50), st.integers(2, 300)),
    min_size=2, max_size=5,
)


@pytest.mark.parametrize('name', MODELS)
@given(cuts=CUTS)
@settings(max_examples=15, deadline=None)
def test_any_mix_of_lengths_in_a_batch_decodes_as_each_does_alone(oracle_models, name, cuts):
    model = oracle_models[name]
    waveforms = [cut(OracleCase(model, audio).waveform, start, n) for audio, start, n in cuts]
    together = run_stages(model.transcriber, waveforms).hypotheses
    for waveform, hypothesis in zip(waveforms, together, strict=True):
        alone, = run_stages(model.transcriber, [waveform]).hypotheses
        assert hypothesis.tokens == alone.tokens
        assert hypothesis.frames == alone.frames
        assert hypothesis.durations == alone.durations
        assert hypothesis.score == pytest.approx(alone.score, rel=1e-3, abs=1e-3)


def cut(waveform: np.ndarray, start: int, n: int) -> np.ndarray:
    """Return some frames of a waveform, at least two, and an odd rest of samples."""
    return waveform[160 * start: 160 * (start + n) + 7 * n % 160]
