"""The fast encoder is held to the one that is written for reading."""

from __future__ import annotations

from dataclasses import replace

from engine_oracle import INPUTS, ORACLE, read_audio
from number_formats import skip_without
from parakeet_ros.engine import fast_encoder, linear, load_model
from parakeet_ros.engine.config import EncoderConfig
from parakeet_ros.engine.encoder import FastConformerEncoder
from parakeet_ros.engine.fast_encoder import FastEncoder
from parakeet_ros.engine.linear import pack, PreparedLinear
from parakeet_ros.engine.loading import BUILTIN_MODEL, read_model
from parakeet_ros.engine.model import reference_model
import pytest
import torch

BASE = EncoderConfig(
    n_mels=20, n_layers=2, d_model=32, n_heads=4, feed_forward_factor=4, subsampling_factor=8,
    subsampling_channels=16, conv_kernel=9, use_bias=True, xscaling=False)
CONFIGS = {
    'biased': BASE,
    'bare': replace(BASE, use_bias=False),
    'scaled': replace(BASE, xscaling=True),
    'odd': replace(BASE, n_mels=13, d_model=24, n_heads=3, conv_kernel=5, subsampling_channels=7),
    'wide': replace(BASE, n_mels=80, n_layers=1, d_model=320, n_heads=8, subsampling_channels=64),
}
# Frames at 10 ms: a padded batch, one row of one encoder frame, and none of it padded.
BATCHES = {'padded': (131, 200, 9, 2), 'single': (8,), 'short': (2,), 'even': (77, 77)}


def pair(config: EncoderConfig, dtype: torch.dtype) -> tuple[FastConformerEncoder, FastEncoder]:
    """Return an encoder with random weights, and the fast one made of another alike."""
    encoders = []
    for _ in range(2):
        torch.manual_seed(5)
        encoder = FastConformerEncoder(config).eval().requires_grad_(False)
        for name, tensor in encoder.state_dict().items():
            if tensor.is_floating_point():
                torch.nn.init.normal_(tensor, std=0.3 if tensor.dim() < 2 else 0.7 / (
                    tensor[0].numel() ** 0.5))
            if 'norm' in name and name.endswith(('weight', 'var')):
                tensor.add_(1.0).abs_()
        encoders.append(encoder)
    fast = FastEncoder(encoders[1], dtype)
    pack(fast)
    return encoders[0], fast


@pytest.mark.parametrize('config', CONFIGS)
@pytest.mark.parametrize('batch', BATCHES)
@torch.inference_mode()
def test_float32_equals_the_reference_but_for_rounding(config, batch):
    reference, fast = pair(CONFIGS[config], torch.float32)
    features, lengths = inputs(CONFIGS[config], BATCHES[batch])
    expected, n_expected = reference(features, lengths)
    found, n_found = fast(features, lengths)
    assert n_found.tolist() == n_expected.tolist() and found.shape == expected.shape
    for row, n in enumerate(n_found.tolist()):
        torch.testing.assert_close(found[row, :n], expected[row, :n], rtol=1e-4, atol=1e-4)


@pytest.fixture()
def all_layers(monkeypatch):
    """Round small layers, too."""
    monkeypatch.setattr(linear, 'LARGE', 0)


@pytest.mark.parametrize(('dtype', 'most'), [
    ('bfloat16', 0.02), ('float16', 0.005), ('int8', 0.05)])
@pytest.mark.parametrize('config', ['biased', 'scaled', 'wide'])
@pytest.mark.usefixtures('all_layers')
@torch.inference_mode()
def test_other_formats_stay_near_the_reference(dtype, most, config):
    if dtype != 'int8':  # which layers that are not packed compute in float32
        skip_without(dtype)
    reference, fast = pair(CONFIGS[config], getattr(torch, dtype))
    features, lengths = inputs(CONFIGS[config], BATCHES['padded'])
    (expected, n_encoded), (found, _) = reference(features, lengths), fast(features, lengths)
    valid = torch.arange(expected.shape[1]) < n_encoded[:, None]
    error = (found.float() - expected)[valid].norm() / expected[valid].norm()
    assert error < most


@pytest.mark.parametrize('dtype', ['bfloat16', 'int8'])
@torch.inference_mode()
def test_formats_for_large_layers_leave_a_model_without_any_as_it_is(dtype):
    _, exact = pair(BASE, torch.float32)
    _, fast = pair(BASE, getattr(torch, dtype))
    features, lengths = inputs(BASE, BATCHES['padded'])
    assert torch.equal(fast(features, lengths)[0], exact(features, lengths)[0])


def test_subsampling_is_in_one_format_by_its_largest_layer():
    with torch.device('meta'):
        formats = {
            width: {each.number_format for each in FastEncoder(FastConformerEncoder(
                replace(BASE, d_model=width, n_mels=128, subsampling_channels=64)),
                torch.bfloat16).pre_encode.modules() if isinstance(each, PreparedLinear)}
            for width in (64, 1024)}
    assert formats == {64: {torch.float32}, 1024: {torch.bfloat16}}


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16', 'int8'])
@pytest.mark.usefixtures('all_layers')
@torch.inference_mode()
def test_an_utterance_does_not_hear_its_neighbours_in_the_batch(dtype):
    _, fast = pair(BASE, getattr(torch, dtype))
    features, lengths = inputs(BASE, BATCHES['padded'])
    together, n_encoded = fast(features, lengths)
    for row, n_frames in enumerate(lengths.tolist()):
        alone, _ = fast(features[row:row + 1, :, :n_frames], lengths[row:row + 1])
        n = int(n_encoded[row])
        error = (alone[0].float() - together[row, :n].float()).norm() / alone.float().norm()
        assert error < {'float32': 1e-5, 'bfloat16': 0.01, 'int8': 0.02}[dtype]


@torch.inference_mode()
def test_distances_are_kept_for_any_order_of_lengths(monkeypatch):
    monkeypatch.setattr(fast_encoder, 'KEPT_FRAMES', 16)
    monkeypatch.setattr(fast_encoder, '_STEP', 4)
    reference, fast = pair(BASE, torch.float32)
    released = []
    fast.release = lambda: released.append(1)
    for n_frames in (40, 8, 100, 130, 41, 160, 16, 100):  # 16 encoder frames are 128
        features, lengths = inputs(BASE, (n_frames,))
        torch.testing.assert_close(
            fast(features, lengths)[0], reference(features, lengths)[0], rtol=1e-4, atol=1e-4)
    assert fast._kept_keys[0].shape[1] == 2 * 16 - 1
    assert len(released) == 2 * BASE.n_layers  # as they grew to 8 and to 16; others are not kept


@torch.inference_mode()
def test_converting_without_weights_gives_the_same_state():
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.int8):
        with torch.device('meta'):
            empty = FastEncoder(FastConformerEncoder(BASE), dtype).state_dict()
        full = FastEncoder(FastConformerEncoder(BASE), dtype).state_dict()
        assert {name: (each.shape, each.dtype) for name, each in empty.items()} == {
            name: (each.shape, each.dtype) for name, each in full.items()}


@pytest.mark.parametrize('name', ['tiny', 'tinyb', 'deep', 'hybrid', 'rnnt', 'ctc'])
@torch.inference_mode()
def test_oracle_models_give_the_tokens_of_the_reference(oracle_models, name):
    reference = reference_model(read_model(ORACLE / f'{name}.nemo'))
    model = oracle_models[name].transcriber.model
    waveforms = [torch.from_numpy(read_audio(ORACLE / 'audio' / f'{i}.wav')) for i in INPUTS]
    for batch in (*([w] for w in waveforms), waveforms):
        features, n_frames = reference.features(batch)
        expected = reference.decode(*reference.encoder(features, n_frames))
        found = model.decode(*model.encoder(features, n_frames))
        assert [each.tokens for each in found] == [each.tokens for each in expected]


@torch.inference_mode()
def test_the_builtin_model_gives_the_tokens_of_the_reference(builtin, heldout):
    reference = reference_model(read_model(BUILTIN_MODEL))
    for clip, _ in heldout:
        features, n_frames = reference.features([torch.from_numpy(clip)])
        [expected] = reference.decode(*reference.encoder(features, n_frames))
        [found] = builtin.model.decode(*builtin.model.encoder(features, n_frames))
        assert (found.tokens, found.frames) == (expected.tokens, expected.frames)


@torch.inference_mode()
def test_int8_leaves_small_layers_in_float32(builtin, heldout):
    skip_without('int8')
    int8 = load_model('builtin', device='cpu', dtype='int8')
    assert int8.dtype == torch.int8
    waveform, _ = heldout[0]
    assert int8.transcribe(waveform).text == builtin.transcribe(waveform).text
    formats = {module.number_format for module in pair(CONFIGS['wide'], torch.int8)[1].modules()
               if isinstance(module, PreparedLinear)}
    assert formats == {torch.int8, torch.float32}


@pytest.mark.parametrize('dtype', ['float32', 'int8'])
def test_a_converted_model_tells_the_parameters_of_the_checkpoint(dtype):
    skip_without(dtype)
    reference = reference_model(read_model(BUILTIN_MODEL))
    n_parameters = sum(parameter.numel() for parameter in reference.parameters())
    assert load_model('builtin', device='cpu', dtype=dtype).n_parameters == n_parameters


def inputs(config: EncoderConfig, lengths: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features that are loud after their ends, too: nothing there may be heard."""
    generator = torch.Generator().manual_seed(6)
    features = torch.randn(len(lengths), config.n_mels, max(lengths), generator=generator)
    return features, torch.tensor(lengths)
