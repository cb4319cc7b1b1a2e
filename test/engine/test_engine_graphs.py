"""CUDA graphs: the logic around them, and what padding to their shapes changes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import copy
import gc
import threading
import weakref

from engine_oracle import INPUTS, ORACLE, read_audio
from graphs_on_cpu import LOOKS, Recorder, RerunPool
from hypothesis import given
from hypothesis import strategies as st
from number_formats import skip_without
from parakeet_ros.engine import cuda_graph
from parakeet_ros.engine.buckets import batch_bucket, frame_bucket, MAX_FRAMES
from parakeet_ros.engine.checkpoint import read_checkpoint
from parakeet_ros.engine.cuda_graph import allowed_graphs, CUDAGraphed, GraphPool, VARIABLE
from parakeet_ros.engine.decoder import RoundLoop
from parakeet_ros.engine.decoding import DecodingOptions
from parakeet_ros.engine.encoder import n_encoder_frames
from parakeet_ros.engine.encoder_graphs import EncoderGraphs
from parakeet_ros.engine.label_loop import LabelLoop
from parakeet_ros.engine.loading import BUILTIN_MODEL
from parakeet_ros.engine.model import build_model, convert_model, Model
from parakeet_ros.engine.transcriber import Transcriber
import pytest
import torch


def doubled(x):
    return 2.0 * x


def test_the_first_call_runs_the_function_and_the_others_replay():
    pool = RerunPool()
    graphed = CUDAGraphed(doubled, pool, 'doubling')
    assert graphed(torch.tensor([1.0])).tolist() == [2.0] and not graphed.is_captured
    assert [graphed(torch.tensor([x])).tolist() for x in (3.0, 4.0)] == [[6.0], [8.0]]
    assert graphed.is_captured and pool.names == ['doubling']


def test_a_thread_captures_only_what_it_has_run():
    pool = RerunPool()
    graphed = CUDAGraphed(doubled, pool, 'doubling')
    graphed(torch.tensor([1.0]))
    with ThreadPoolExecutor(1) as other:
        for n_captured in (0, 1):
            assert other.submit(graphed, torch.tensor([3.0])).result().tolist() == [6.0]
            assert len(pool.names) == n_captured
    assert graphed(torch.tensor([4.0])).tolist() == [8.0] and len(pool.names) == 1


def test_a_thread_captures_nothing_that_it_has_not_run_to_its_end():
    def fail_once(x):
        failures.append(x)
        if len(failures) == 1:
            raise RuntimeError('out of memory')
        return doubled(x)

    failures, pool = [], RerunPool()
    graphed = CUDAGraphed(fail_once, pool, 'failing')
    with pytest.raises(RuntimeError, match='out of memory'):
        graphed(torch.tensor([1.0]))
    assert graphed(torch.tensor([1.0])).tolist() == [2.0] and not pool.names
    graphed(torch.tensor([1.0]))
    assert pool.names == ['failing']


def test_a_new_thread_is_not_taken_for_one_that_has_ended():
    pool = RerunPool()
    graphed = CUDAGraphed(doubled, pool, 'doubling')
    for _ in range(5):  # threads that get each other's numbers
        one = threading.Thread(target=graphed, args=(torch.tensor([1.0]),))
        one.start()
        one.join()
    assert not pool.names


def test_without_cuda_the_function_runs_as_it_is():
    graphed = CUDAGraphed(doubled, GraphPool(torch.device('cpu')), 'doubling')
    assert [graphed(torch.tensor([x])).tolist() for x in (1.0, 3.0)] == [[2.0], [6.0]]
    assert not graphed.is_captured


class Graph:
    """Stands for torch's CUDA graph and its capture, which there are not without a GPU."""

    is_capturing = False
    ends_well = True
    replays: list[Graph] = []

    def __enter__(self):
        Graph.is_capturing = True

    def __exit__(self, *raised):
        Graph.is_capturing = False
        if not Graph.ends_well:
            raise RuntimeError('operation failed due to a previous error during capture')

    def replay(self):
        assert not Graph.is_capturing, 'torch up to 2.11 would raise'
        Graph.replays.append(self)


@pytest.fixture()
def pools(monkeypatch):
    """Return what makes pools whose captures are as on a GPU; a replay computes nothing."""
    monkeypatch.setattr(torch.cuda, 'CUDAGraph', Graph)
    monkeypatch.setattr(torch.cuda, 'graph', lambda graph, *_, **__: graph)
    monkeypatch.setattr(torch.cuda, 'current_stream', lambda device: None)
    monkeypatch.setattr(torch.cuda, 'graph_pool_handle', lambda: None)
    monkeypatch.setattr(cuda_graph, '_broken', set())
    Graph.replays = []
    return lambda: GraphPool(torch.device('cuda'))


@pytest.mark.parametrize('ends_well', [True, False])
def test_graphs_are_given_up_only_where_a_failed_capture_leaves_them_unusable(
        pools, monkeypatch, ends_well):
    def fail_in_captures(x):
        if Graph.is_capturing:
            raise RuntimeError('out of memory' if ends_well else 'not permitted in a capture')
        return doubled(x)

    pool = pools()
    before, of_another = (CUDAGraphed(doubled, each, 'before') for each in (pool, pools()))
    for _ in range(2):
        before(torch.ones(1)), of_another(torch.ones(1))
    assert before.is_captured and len(Graph.replays) == 2
    failing, after = (CUDAGraphed(function, each, 'later') for function, each in (
        (fail_in_captures, pool), (doubled, pools())))
    failing(torch.ones(1)), after(torch.ones(1))
    monkeypatch.setattr(Graph, 'ends_well', ends_well)
    assert failing(torch.full((1,), 3.0)).tolist() == [6.0], 'it runs as it is'
    monkeypatch.setattr(Graph, 'ends_well', True)
    results = [each(torch.full((1,), 3.0)) for each in (before, of_another, after)]
    assert [each.is_captured for each in (before, of_another, after)] == [ends_well] * 3
    assert len(Graph.replays) == (5 if ends_well else 2)
    if not ends_well:
        assert [result.tolist() for result in results] == [[6.0]] * 3


def test_no_graph_is_replayed_while_another_thread_captures(pools):
    def slow_in_captures(x):
        if Graph.is_capturing:
            capturing.set()
            replayed.wait(0.2)
        return doubled(x)

    capturing, replayed = threading.Event(), threading.Event()
    ready, slow = (CUDAGraphed(function, pools(), 'one') for function in (
        doubled, slow_in_captures))
    for _ in range(2):
        ready(torch.ones(1))

    def capture():
        for _ in range(2):
            slow(torch.ones(1))

    other = threading.Thread(target=capture)
    other.start()
    capturing.wait()
    ready(torch.ones(1))
    replayed.set()
    other.join()
    assert slow.is_captured and len(Graph.replays) == 3


@pytest.mark.parametrize(('arguments', 'message'), [
    ((torch.zeros(3),), r'adding: argument 0 is torch.float32 \[3\].*torch.float32 \[2\]'),
    ((torch.zeros(2, dtype=torch.int64),), r'argument 0 is torch.int64'),
    ((torch.zeros(2), torch.zeros(2)), 'called with 2 arguments'),
])
def test_an_argument_of_another_shape_is_named(arguments, message):
    graphed = CUDAGraphed(doubled, RerunPool(), 'adding')
    graphed(torch.zeros(2))
    with pytest.raises(ValueError, match=message):
        graphed(*arguments)


def test_no_more_graphs_than_the_limit():
    pool = RerunPool(limit=1)
    graphed = [CUDAGraphed(doubled, pool, name) for name in ('one', 'two')]
    for _ in range(3):
        assert [g(torch.tensor([1.0])).tolist() for g in graphed] == [[2.0], [2.0]]
    assert pool.names == ['one']


@given(n_frames=st.integers(1, 10 * MAX_FRAMES))
def test_a_bucket_holds_the_input_and_is_its_own_bucket(n_frames):
    bucket = frame_bucket(n_frames)
    assert n_frames <= bucket < max(1.26 * n_frames, n_frames + 64)
    assert frame_bucket(bucket) == bucket


def test_there_are_few_buckets():
    lengths = range(1, MAX_FRAMES + 1)
    assert len({frame_bucket(n_frames) for n_frames in lengths}) == 18
    assert frame_bucket(MAX_FRAMES) == MAX_FRAMES
    assert [batch_bucket(n) for n in (1, 2, 3, 4, 5, 128)] == [1, 2, 4, 4, 8, 128]


@pytest.mark.parametrize('name', ['tinyb', 'ctc'])
@torch.inference_mode()
def test_padding_to_a_bucket_is_not_heard(oracle_models, name):
    model = oracle_models[name].transcriber.model
    graphs = EncoderGraphs(model.encoder, RerunPool())
    waveforms = [torch.from_numpy(read_audio(ORACLE / 'audio' / f'{i}.wav')) for i in INPUTS]
    for batch in ([w] for w in waveforms), (waveforms[:3],):
        for inputs in batch:
            features, lengths = model.features(inputs)
            expected, n_encoded = model.encoder(features, lengths)
            for _ in range(2):
                encoded = graphs(features, lengths)
                assert len(encoded) == len(inputs)
                for row, n in enumerate(n_encoded.tolist()):
                    torch.testing.assert_close(
                        encoded[row, :n], expected[row, :n], rtol=0, atol=1e-4)


@pytest.mark.parametrize('batch', [1, 3])
def test_the_whole_way_of_a_gpu_changes_no_text(builtin, heldout, monkeypatch, batch):
    clips = [clip for clip, _ in heldout[::3]]
    expected = [builtin.transcribe(clip) for clip in clips]
    pool = RerunPool()
    with_graphs = Transcriber(copy.copy(builtin.model), builtin.tokenizer, 'with graphs')
    monkeypatch.setattr(with_graphs.model, '_graphs', pool)
    monkeypatch.setattr(with_graphs.model, '_encoder_graphs', None)
    found = [transcript for first in range(0, len(clips), batch)
             for transcript in with_graphs.transcribe_batch(clips[first:first + batch])]
    for one, other in zip(found, expected, strict=True):
        assert [(t.token_id, t.frame, t.duration) for t in one.tokens] == [
            (t.token_id, t.frame, t.duration) for t in other.tokens]
        assert one.confidence == pytest.approx(other.confidence, abs=1e-3)
    kinds = {name.split()[0] for name in pool.names}
    assert kinds == {'encoding', 'decoding'}


def test_half_precision_as_on_a_gpu_changes_no_text(builtin, heldout, monkeypatch):
    skip_without('float16')
    half = convert_model(read_checkpoint(BUILTIN_MODEL), torch.device('cuda'), torch.float16)
    assert {half.encoder.dtype, half.head.joint.encoder.weight.dtype} == {torch.float16}
    pool = RerunPool()
    monkeypatch.setattr(half, '_graphs', pool)
    with_graphs = Transcriber(half.eval(), builtin.tokenizer, 'in half precision')
    for clip, _ in heldout[::3]:
        assert with_graphs.transcribe(clip).text == builtin.transcribe(clip).text
    hotwords = DecodingOptions(hotwords=builtin.hotwords(['tool', 'front door']))
    for clip, _ in heldout[::9]:
        assert with_graphs.transcribe(clip, options=hotwords).text == builtin.transcribe(
            clip, options=hotwords).text


def test_warming_up_captures_the_longest_graph_first(oracle_models, monkeypatch):
    tiny = oracle_models['tiny'].transcriber
    with_graphs = Transcriber(copy.copy(tiny.model), tiny.tokenizer, 'with graphs')
    pool = RerunPool()
    monkeypatch.setattr(with_graphs.model, '_graphs', pool)
    monkeypatch.setattr(with_graphs.model, '_encoder_graphs', None)
    with_graphs.warm_up()
    encodings = [name for name in pool.names if name.startswith('encoding')]
    assert encodings == ['encoding of 1 x 3072 frames', 'encoding of 1 x 128 frames']


@pytest.mark.parametrize(('value', 'n_graphs'), [('0', 0), ('1', 64), ('', 64)])
def test_graphs_can_be_switched_off(monkeypatch, value, n_graphs):
    monkeypatch.setenv(VARIABLE, value)
    assert allowed_graphs() == n_graphs


@torch.inference_mode()
def test_long_inputs_and_large_batches_are_encoded_without_a_graph(tiny_encoder):
    pool = RerunPool()
    graphs = EncoderGraphs(tiny_encoder, pool)
    for shape in ((1, 80, MAX_FRAMES + 1), (4, 80, MAX_FRAMES // 2)):
        for _ in range(2):
            graphs(torch.zeros(shape), torch.full(shape[:1], shape[2]))
    assert not pool.names


@pytest.fixture(scope='module')
def tiny_encoder(oracle_models):
    """Return a function of the encoder's shapes that takes no time."""
    return lambda features, lengths: (features.transpose(1, 2)[:, ::8], lengths)


@torch.inference_mode()
def test_the_host_counts_encoder_frames_as_the_encoder_does(oracle_models):
    model = oracle_models['tinyb'].transcriber.model
    lengths = torch.tensor([2, 7, 8, 9, 15, 16, 17, 100])
    _, counted = model.encoder(torch.zeros(len(lengths), 80, 100), lengths)
    assert counted.tolist() == [
        n_encoder_frames(n, model.config.encoder) for n in lengths.tolist()]


@torch.inference_mode()
def test_graphs_hold_nothing_longer_than_the_model(tiny_checkpoint):
    pool = RerunPool()
    model = build_model(tiny_checkpoint, torch.device('cpu'), torch.float32)
    graphs = EncoderGraphs(model.encoder, pool)
    rounds = RoundLoop(LabelLoop(model.head, 10, 'max_prob'), 1, 8, pool)
    for _ in range(2):
        encoded = graphs(torch.zeros(1, 80, 64), torch.tensor([64]))
        rounds.decode(encoded, [8])
    assert len(pool.names) == 2
    weights = weakref.ref(model.encoder), weakref.ref(model.head)
    gc.disable()  # a cycle of references would keep them on the GPU until there is a collection
    try:
        del model, graphs, rounds, encoded
        assert [weight() for weight in weights] == [None, None]
    finally:
        gc.enable()


@torch.inference_mode()
def test_the_encoder_asks_for_no_value_and_copies_nothing_from_the_host(tiny_checkpoint):
    # Meta tensors have shapes only; arange and the like are computed on a GPU itself.
    with torch.device('meta'):
        model = Model(tiny_checkpoint.config, 'transducer')
        model.convert(torch.device('cuda'), torch.float16)
    features = torch.zeros(2, 80, 192, device='meta')
    lengths = torch.zeros(2, dtype=torch.int64, device='meta')
    model.encoder(features, lengths)  # makes what it keeps
    with Recorder() as recorder:
        encoded, _ = model.encoder(features, lengths)
    assert encoded.shape == (2, 24, 64) and encoded.device.type == 'meta'
    assert not set(recorder.names) & {*LOOKS, 'lift_fresh', 'scalar_tensor'}


def test_features_take_few_lengths_of_fourier_transforms(builtin, monkeypatch):
    lengths, transform = set(), torch.stft

    def stft(signal, *arguments, **keywords):
        lengths.add(len(signal))
        return transform(signal, *arguments, **keywords)

    monkeypatch.setattr(torch, 'stft', stft)
    for n_samples in range(4_000, 20_000, 1_003):
        _, n_frames = builtin.model.features([torch.zeros(n_samples)])
        assert n_frames.tolist() == [n_samples // 160]
    assert lengths == {10_240, 20_480}
