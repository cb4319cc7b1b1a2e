"""What training writes is a model file like any other."""
from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
from parakeet_ros.engine.ctc import CtcHead
from parakeet_ros.engine.loading import load_model, read_model
from parakeet_ros.training.export import export
from parakeet_ros.training.start import read_start, Start
import pytest
import soundfile
import torch


def speech_like(n_samples: int) -> torch.Tensor:
    return 0.1 * torch.randn(n_samples, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def exported(tiny_start: Start, tmp_path: Path) -> Path:
    path = tmp_path / 'tiny.nemo'
    export(path, tiny_start, tiny_start.network())
    return path


def test_exported_model_decodes_as_the_network_does(tiny_start: Start, exported: Path) -> None:
    transcriber = load_model(exported, device='cpu')
    network = tiny_start.network().eval()
    with torch.no_grad():
        encoded, lengths = network.model.encoder(
            *network.model.features([speech_like(16_000)]))
        expected = network.model.decode(encoded, lengths)[0]
    transcript = transcriber.transcribe(speech_like(16_000).numpy())
    assert expected.tokens
    assert transcript.text == tiny_start.tokenizer.text(expected.tokens)


def test_exported_weights_are_halved_and_nothing_else(tiny_start: Start, exported: Path) -> None:
    start, expected = read_start(exported), tiny_start.network().nemo_state()
    assert start.state.keys() == expected.keys()
    assert start.raw_config == tiny_start.raw_config
    assert start.tokenizer_model == tiny_start.tokenizer_model
    stored = read_model(exported).state
    for name, tensor in expected.items():
        torch.testing.assert_close(start.state[name], tensor, rtol=1e-3, atol=1e-6)
        precise = name.startswith('preprocessor.') or not tensor.is_floating_point()
        assert stored[name].dtype == (tensor.dtype if precise else torch.float16)


def test_training_goes_on_from_an_exported_model(exported: Path, tmp_path: Path) -> None:
    again = tmp_path / 'again.nemo'
    start = read_start(exported)
    export(again, start, start.network())
    assert again.read_bytes() == exported.read_bytes()


def test_a_joint_without_dropout_has_nemos_names_and_goes_on(
        tiny_start: Start, tmp_path: Path) -> None:
    config = copy.deepcopy(tiny_start.raw_config)
    config['joint']['jointnet']['dropout'] = 0.0
    path, again = tmp_path / 'plain.nemo', tmp_path / 'again.nemo'
    export(path, Start(config, tiny_start.tokenizer_model, {}), tiny_start.network())
    names = [name for name in read_model(path).state if name.startswith('joint.joint_net.')]
    assert names == ['joint.joint_net.1.weight', 'joint.joint_net.1.bias']
    load_model(path, device='cpu')
    start = read_start(path)
    export(again, start, start.network())
    assert again.read_bytes() == path.read_bytes()


def test_ctc_head_is_there_to_be_chosen(exported: Path) -> None:
    assert isinstance(load_model(exported, device='cpu', head='ctc').model.head, CtcHead)


def test_a_model_without_ctc_head_stays_without(tiny_start: Start, tmp_path: Path) -> None:
    config = {key: value for key, value in tiny_start.raw_config.items() if key != 'aux_ctc'}
    config['target'] = 'nemo.collections.asr.models.EncDecRNNTBPEModel'
    path = tmp_path / 'plain.nemo'
    export(path, Start(config, tiny_start.tokenizer_model, {}), tiny_start.network())
    assert not any('ctc' in name for name in read_model(path).state)
    load_model(path, device='cpu')


@pytest.mark.nemo
def test_nemo_restores_it_and_hears_the_same(exported: Path, tmp_path: Path) -> None:
    models: Any = pytest.importorskip('nemo.collections.asr.models')
    waveform = speech_like(32_000).numpy().astype(np.float32)
    model = models.ASRModel.restore_from(str(exported), map_location='cpu').eval()
    recording = tmp_path / 'speech.wav'
    soundfile.write(recording, waveform, 16_000, subtype='FLOAT')
    for source in (waveform, str(recording)):
        heard = model.transcribe([source], batch_size=1, verbose=False, num_workers=0)[0].text
        assert heard == load_model(exported, device='cpu').transcribe(waveform).text
