"""
A model as transformers (5.23) saves it: a folder of JSON files and safetensors.

``config.json``, ``model.safetensors`` (or shards with their index), ``tokenizer.json``, and the
feature extractor in ``processor_config.json`` or ``preprocessor_config.json``.  The tensors leave
here under NeMo's names, with the two that transformers does not store.  The safetensors format
has no checksums: a flipped bit of a weight cannot be noticed, as it is in a ``.nemo`` file.
"""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
import json
import os
from pathlib import Path
import re
from typing import Any

from safetensors import safe_open, SafetensorError
from torch import Tensor

from .checkpoint import Checkpoint
from .config import FeaturesConfig, parse_config
from .errors import CheckpointError
from .mel_filters import hann_window, slaney_filters
from .tokenizer_json import sentencepiece_model
from .transformers_config import nemo_config, TOKENIZER_FILE

CONFIG_FILE = 'config.json'
WEIGHTS_FILE = 'model.safetensors'
INDEX_FILE = 'model.safetensors.index.json'
EXTRACTOR_FILES = ('processor_config.json', 'preprocessor_config.json')
# Patterns of everything that is read, for who fetches a model.
MODEL_FILES = (CONFIG_FILE, TOKENIZER_FILE, *EXTRACTOR_FILES, 'model*.safetensors', INDEX_FILE)
# v3's tokenizer.json, the largest JSON file of a public model, has 1.5 MB.
_JSON_LIMIT_BYTES = 64 * 2**20
_REMEDY = 'download or copy it again'

_LAYER = r'(encoder\.layers\.\d+\.'
# transformers' name -> NeMo's, first match wins; one that matches nothing is refused.
_NEMO_NAMES: tuple[tuple[str, str], ...] = (
    (r'encoder\.subsampling\.layers\.(.*)', r'encoder.pre_encode.conv.\1'),
    (r'encoder\.subsampling\.linear\.(.*)', r'encoder.pre_encode.out.\1'),
    (_LAYER + r'self_attn\.)([qkv])_proj\.(.*)', r'\1linear_\2.\3'),
    (_LAYER + r'self_attn\.)o_proj\.(.*)', r'\1linear_out.\2'),
    (_LAYER + r'self_attn\.)relative_k_proj\.(.*)', r'\1linear_pos.\2'),
    (_LAYER + r'self_attn\.)bias_([uv])', r'\1pos_bias_\2'),
    (_LAYER + r'conv\.)norm\.(.*)', r'\1batch_norm.\2'),
    (_LAYER + r'(conv\.(pointwise|depthwise)_conv|feed_forward|norm_).*)', r'\1'),
    (r'decoder\.embedding\.(.*)', r'decoder.prediction.embed.\1'),
    (r'decoder\.lstm\.(.*)', r'decoder.prediction.dec_rnn.lstm.\1'),
    (r'decoder\.decoder_projector\.(.*)', r'joint.pred.\1'),
    (r'encoder_projector\.(.*)', r'joint.enc.\1'),
    (r'joint\.head\.(.*)', r'joint.joint_net.2.\1'),
    (r'ctc_head\.(.*)', r'decoder.decoder_layers.0.\1'),
)


def read_transformers_folder(path: str | os.PathLike[str]) -> Checkpoint:
    """
    Read a model folder.

    :raises CheckpointError: a file is missing or damaged, or the files do not fit together; the
        message names the file, the problem and the remedy.
    """
    path = Path(path)
    origin = f'{path}: {CONFIG_FILE}'
    raw = nemo_config(_read_json(path / CONFIG_FILE), _extractor(path), origin)
    config = parse_config(raw, origin)
    tokenizer = _read_json(path / TOKENIZER_FILE)
    model = sentencepiece_model(tokenizer, config.vocab_size, f'{path}: {TOKENIZER_FILE}')
    state = {**_front_end(config.features), **_read_state(path)}
    return Checkpoint(path, config, raw, model, state)


def folder_fingerprint(path: Path) -> bytes:
    """
    Return what changes with every change of a file in the folder, without reading the weights.

    The files have no checksums, so it is who they are and when they were last written to.
    """
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()):
        s = file.stat()
        digest.update(repr((file.name, s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns,
                            s.st_ctime_ns)).encode())
    return digest.digest()


def is_model_folder(path: Path) -> bool:
    """Tell whether a folder has the files of a model, every shard included."""
    try:
        weights = _shards(path) if (path / INDEX_FILE).is_file() else {WEIGHTS_FILE: None}
    except CheckpointError:
        return False
    return (all((path / name).is_file() for name in (CONFIG_FILE, TOKENIZER_FILE, *weights))
            and any((path / name).is_file() for name in EXTRACTOR_FILES))


def _front_end(config: FeaturesConfig) -> dict[str, Tensor]:
    """Return what a ``.nemo`` file stores of the front end."""
    filters = slaney_filters(config.n_mels, config.n_fft, config.sample_rate)
    return {
        'preprocessor.featurizer.window': hann_window(config.window_samples),
        'preprocessor.featurizer.fb': filters,
    }


def _extractor(path: Path) -> Mapping[str, Any]:
    """Return the feature extractor's parameters, of their own or inside the processor's."""
    for name in EXTRACTOR_FILES:
        if (path / name).is_file():
            content = _read_json(path / name)
            nested = content.get('feature_extractor', content)
            if not isinstance(nested, Mapping):
                raise CheckpointError(f"{path}: {name}: 'feature_extractor' is no object; "
                                      f'{_REMEDY}')
            return nested
    raise CheckpointError(f"{path}: has none of {', '.join(EXTRACTOR_FILES)}; {_REMEDY}")


def _read_json(path: Path) -> dict[str, Any]:
    """Parse a JSON object."""
    origin = f'{path.parent}: {path.name}'
    try:
        with path.open('rb') as file:
            content = file.read(_JSON_LIMIT_BYTES + 1)
        if len(content) > _JSON_LIMIT_BYTES:
            raise CheckpointError(f'{origin}: larger than {_JSON_LIMIT_BYTES} bytes; {_REMEDY}')
        value = json.loads(content)
    except OSError as error:
        raise CheckpointError(f'{origin}: {error.strerror}; the folder is not a complete model: '
                              f'{_REMEDY}') from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f'{origin}: not valid JSON ({error}); {_REMEDY}') from error
    if not isinstance(value, dict):
        raise CheckpointError(f'{origin}: not a JSON object; {_REMEDY}')
    return value


def _read_state(path: Path) -> dict[str, Tensor]:
    """Read every tensor, from one file or from the shards that an index lists."""
    if (path / INDEX_FILE).is_file():
        shards = _shards(path)
    else:
        shards = {WEIGHTS_FILE: None}
    state: dict[str, Tensor] = {}
    for name, expected in shards.items():
        tensors = _read_safetensors(path / name)
        if expected is not None and tensors.keys() != expected:
            raise CheckpointError(f'{path}: {name}: does not hold the tensors that {INDEX_FILE} '
                                  f'lists; the files belong to different models: {_REMEDY}')
        state |= {_nemo_name(tensor, f'{path}: {name}'): value
                  for tensor, value in tensors.items()}
    return state


def _shards(path: Path) -> dict[str, set[str] | None]:
    """Return the names of the tensors in each shard; a shard lies in the folder itself."""
    weight_map = _read_json(path / INDEX_FILE).get('weight_map')
    if not isinstance(weight_map, Mapping):
        raise CheckpointError(f"{path}: {INDEX_FILE}: has no 'weight_map'; {_REMEDY}")
    shards: dict[str, set[str] | None] = {}
    for tensor, file in weight_map.items():
        if not isinstance(file, str) or not re.fullmatch(r'[\w-][\w.-]*\.safetensors', file):
            raise CheckpointError(f'{path}: {INDEX_FILE}: {str(file)[:80]!r} is no name of a '
                                  f'safetensors file in the folder; {_REMEDY}')
        names = shards.setdefault(file, set())
        assert names is not None
        names.add(tensor)
    return shards


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a file; the library checks its header and that it covers the file exactly."""
    origin = f'{path.parent}: {path.name}'
    if not path.is_file():
        raise CheckpointError(f'{origin}: no such file; the folder is not a complete model: '
                              f'{_REMEDY}')
    try:
        with safe_open(path, framework='pt') as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f'{origin}: damaged ({error}); {_REMEDY}') from error


def _nemo_name(name: str, origin: str) -> str:
    """Return NeMo's name of one of transformers' tensors."""
    for pattern, replacement in _NEMO_NAMES:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(replacement)
    raise CheckpointError(f'{origin}: unknown tensor {name[:80]!r}; the model has a part that '
                          'this engine does not know')
