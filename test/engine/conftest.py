"""The oracle, the held-out clips, and the models, shared by the engine's tests."""

from __future__ import annotations

import json

from engine_oracle import (
    DATA,
    INPUTS,
    MODELS,
    ORACLE,
    OracleCase,
    OracleModel,
    read_audio,
    TENSOR_CASES,
)
import numpy as np
from parakeet_ros.engine import load_model, Transcriber
from parakeet_ros.engine.checkpoint import Checkpoint, read_checkpoint
import pytest
import torch


@pytest.fixture(scope='session', autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope='session')
def oracle_models() -> dict[str, OracleModel]:
    """Return the oracle's models, loaded on the CPU."""
    models = {}
    for name, (file, head) in MODELS.items():
        results = json.loads((ORACLE / name / 'oracle.json').read_text())['inputs']
        transcriber = load_model(ORACLE / f'{file}.nemo', device='cpu', head=head)
        models[name] = OracleModel(name, transcriber, results)
    return models


@pytest.fixture(scope='session', params=MODELS)
def oracle_model(request, oracle_models) -> OracleModel:
    """Return each oracle model in turn."""
    return oracle_models[request.param]


@pytest.fixture(params=INPUTS)
def oracle_case(request, oracle_model) -> OracleCase:
    """Return each model with each input in turn."""
    return OracleCase(oracle_model, request.param)


@pytest.fixture(params=TENSOR_CASES, ids='-'.join)
def tensor_case(request, oracle_models) -> OracleCase:
    """Return each case for which NeMo's features and encoder output are kept."""
    model, name = request.param
    return OracleCase(oracle_models[model], name)


@pytest.fixture(scope='session')
def tiny_checkpoint() -> Checkpoint:
    """Return the content of the smaller oracle checkpoint."""
    return read_checkpoint(ORACLE / 'tinyb.nemo')


@pytest.fixture(scope='session')
def builtin() -> Transcriber:
    """Return the packaged model on the CPU."""
    return load_model('builtin', device='cpu')


@pytest.fixture(scope='session')
def heldout() -> list[tuple[np.ndarray, str]]:
    """Return the 54 short held-out clips with their texts."""
    lines = (DATA / 'heldout' / 'manifest.jsonl').read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    clips = [
        (read_audio(DATA / 'heldout' / entry['path']), entry['text'])
        for entry in entries
        if entry['path'].startswith('short_')
    ]
    assert len(clips) == 54
    return clips
