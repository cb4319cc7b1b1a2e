"""The loop without the host gives what the reference gives, and is fit for a CUDA graph."""

from __future__ import annotations

import copy

from graphs_on_cpu import LOOKS, Recorder, RerunPool
from hypothesis import given, settings
from hypothesis import strategies as st
from parakeet_ros.engine.buckets import MAX_ENCODER_FRAMES
from parakeet_ros.engine.cuda_graph import GraphPool
from parakeet_ros.engine.decoder import decode_on_host, RoundLoop, STEPS, TransducerDecoder
from parakeet_ros.engine.decoding import DecodingOptions, greedy_decode
from parakeet_ros.engine.device import transducer_dtype
from parakeet_ros.engine.label_loop import LabelLoop
import pytest
from test_engine_decoding import scripted_transducer
import torch

DURATIONS = [(0, 1, 2, 3, 4), (1,), (0, 7), (2, 0, 1), ()]
# What makes a tensor out of nothing; on CUDA most of it is a copy from the host, which waits.
FACTORIES = ('arange', 'empty', 'full', 'lift_fresh', 'ones', 'scalar_tensor', 'zeros')


def round_loop(loop: LabelLoop, n_rows: int, n_frames: int) -> RoundLoop:
    """Return the GPU's way of decoding, where there need be no GPU."""
    return RoundLoop(loop, n_rows, n_frames, GraphPool(loop.device))


def random_frames(transducer, lengths, seed, stay=0.0, blank=0.0):
    """Return a padded batch of encoder frames that are scripts of logits."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(max(lengths), 1), transducer.config.encoder_size)
    encoded = 3.0 * torch.randn(shape, generator=generator)
    encoded[:, :, transducer.config.vocab_size] += blank
    first = transducer.config.vocab_size + 1
    encoded[:, :, first: first + 1] += stay  # the first duration, 0 in most sets
    return encoded


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert (one.tokens, one.frames, one.durations) == (
            other.tokens, other.frames, other.durations)
        assert one.score == pytest.approx(other.score, rel=1e-4, abs=1e-4)
        assert one.confidences == pytest.approx(other.confidences, abs=1e-5)


@given(
    seed=st.integers(0, 2**31),
    vocab_size=st.integers(1, 4),
    durations=st.sampled_from(DURATIONS),
    max_symbols=st.integers(1, 4),
    batches=st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=3), min_size=1, max_size=3),
    stay=st.floats(-3.0, 6.0),
    blank=st.floats(-4.0, 4.0),
    method=st.sampled_from(['max_prob', 'entropy']),
)
@settings(max_examples=25, deadline=None)
def test_every_way_of_decoding_gives_what_the_reference_gives(
    seed, vocab_size, durations, max_symbols, batches, stay, blank, method
):
    transducer = scripted_transducer(vocab_size, durations, max_symbols, seed)
    loop = LabelLoop(transducer, max_symbols, method)
    rounds = round_loop(loop, n_rows=4, n_frames=3 * 12)  # reused, and never full
    for number, lengths in enumerate(batches):
        encoded = random_frames(transducer, lengths, seed + number, stay, blank)
        expected = greedy_decode(
            transducer, encoded, torch.tensor(lengths), DecodingOptions(confidence=method))
        assert_same(decode_on_host(loop, encoded, lengths), expected)
        assert_same(rounds.decode(encoded, lengths), expected)


def test_what_one_utterance_leaves_behind_is_not_heard_by_the_next():
    transducer = scripted_transducer(3, (0, 1, 2), max_symbols=3, seed=1)
    rounds = round_loop(LabelLoop(transducer, 3, 'max_prob'), n_rows=2, n_frames=60)
    short = random_frames(transducer, [4], seed=2)
    alone = rounds.decode(short, [4])
    rounds.decode(random_frames(transducer, [30, 30], seed=3), [30, 30])
    assert rounds.decode(short, [4]) == alone and alone[0].tokens


def test_rounds_after_the_end_change_nothing():
    transducer = scripted_transducer(3, (0, 1, 2), max_symbols=2, seed=4)
    rounds = round_loop(LabelLoop(transducer, 2, 'max_prob'), n_rows=2, n_frames=20)
    rounds.decode(random_frames(transducer, [6, 2], seed=5), [6, 2])
    before = [value.clone() for value in vars(rounds.round.state).values()]
    report = rounds.round.advance()
    assert report.shape == (6, STEPS, 2) and not report[2].any()
    for old, new in zip(before, vars(rounds.round.state).values(), strict=True):
        assert torch.equal(old, new)


def queue_a_round(durations, device='cpu', dtype=torch.float32):
    """Take the steps of one round, and return the operators and what they changed in place."""
    transducer = scripted_transducer(3, durations, max_symbols=3, seed=0).to(device, dtype)
    rounds = round_loop(LabelLoop(transducer, 3, 'entropy'), n_rows=2, n_frames=10)
    storage = [value.data_ptr() for value in vars(rounds.round.state).values()]
    with Recorder() as recorder:
        report = rounds.round.advance()
    assert report.device.type == device
    assert [value.data_ptr() for value in vars(rounds.round.state).values()] == storage
    return recorder.names


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
@pytest.mark.parametrize('durations', [(0, 1, 2), ()])
def test_a_round_looks_at_no_value_and_mixes_no_devices(durations, dtype):
    # Meta tensors have shapes only: who asks for a value, or adds a tensor of the CPU, raises.
    names = queue_a_round(durations, 'meta', dtype)
    assert names.count('argmax') == STEPS * (2 if durations else 1)


@pytest.mark.parametrize('durations', [(0, 1, 2), (1,)])
def test_a_round_copies_nothing_from_the_host(durations):
    names = queue_a_round(durations)
    assert not set(names) & {*LOOKS, *FACTORIES}


def test_a_look_at_a_value_would_be_noticed():
    flag = torch.zeros(1, device='meta')
    with pytest.raises(RuntimeError):
        bool(flag.any())
    with Recorder() as recorder:
        bool(torch.zeros(1).any())
    assert 'zeros' in recorder.names and set(recorder.names) & set(LOOKS)


@torch.inference_mode()
def test_a_transducer_in_half_precision_changes_no_text(builtin, heldout):
    # As on CUDA, where all but exact models have it.
    half = torch.ones(1, 1, dtype=torch.float16)
    try:
        half @ half
    except RuntimeError:
        pytest.skip('this torch has no half precision on the CPU')
    assert transducer_dtype(torch.bfloat16, torch.device('cuda')) == torch.float16
    half = TransducerDecoder(copy.deepcopy(builtin.model.head).to(torch.float16))
    for clip, _ in heldout[::4]:
        features, n_frames = builtin.model.features([torch.from_numpy(clip)])
        encoded, lengths = builtin.model.encoder(features, n_frames)
        [expected] = builtin.model.decode(encoded, lengths)
        [found] = half.decode(encoded, lengths, DecodingOptions(), builtin.model.graphs)
        assert found.tokens == expected.tokens
        assert found.confidences == pytest.approx(expected.confidences, abs=0.02)


def test_long_inputs_and_rare_options_are_decoded_without_buffers_of_their_own():
    transducer = scripted_transducer(3, (0, 1, 2), max_symbols=3, seed=6)
    decoder, pool = TransducerDecoder(transducer), RerunPool()
    length = MAX_ENCODER_FRAMES + 5
    long = random_frames(transducer, [length], seed=7)
    cases = [(long, [length], DecodingOptions())] + [
        (long[:, :9].repeat(2, 1, 1), [9, 4], DecodingOptions(limit)) for limit in range(1, 9)]
    for encoded, lengths, options in 2 * cases:
        found = decoder.decode(encoded, torch.tensor(lengths), options, pool)
        assert_same(found, greedy_decode(transducer, encoded, torch.tensor(lengths), options))
    assert 2 <= len(pool.names) <= 4


def test_hotwords_are_heard_where_there_are_graphs(builtin, heldout):
    options = DecodingOptions(hotwords=builtin.hotwords(['tool', 'front door']))
    with_graphs = copy.copy(builtin.model)
    with_graphs._graphs = RerunPool()
    for clip, _ in heldout[:3]:
        features, n_frames = builtin.model.features([torch.from_numpy(clip)])
        with torch.inference_mode():
            encoded, lengths = builtin.model.encoder(features, n_frames)
            assert with_graphs.decode(encoded, lengths, options) == builtin.model.decode(
                encoded, lengths, options)
