"""``parakeet-ros info``: what a model is, without running it."""

from __future__ import annotations

import argparse
import json
from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from parakeet_ros.engine.checkpoint import Checkpoint
    from parakeet_ros.engine.model import Model


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        'info',
        help='describe a model',
        description='Load a model, which checks it, and describe it: architecture, parameters, '
                    'vocabulary, memory.',
    )
    parser.add_argument('model', metavar='MODEL',
                        help='builtin, a .nemo file, a model folder, or org/name[@revision]')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read the model and print the description."""
    from parakeet_ros.engine.loading import read_model
    from parakeet_ros.engine.model import reference_model

    checkpoint = read_model(options.model)
    model = reference_model(checkpoint)
    facts = describe(options.model, checkpoint, model)
    if options.json:
        print(json.dumps(facts))
    else:
        for name, value in facts.items():
            print(f'{name.replace("_", " "):20} {_text(value)}')
    return 0


def describe(source: str, checkpoint: Checkpoint, model: Model) -> dict[str, Any]:
    """
    Return what is known of a model, ready for JSON.

    Memory is that of the weights, in 10**6 bytes; in float16 the encoder alone is halved.  What
    ``auto`` takes on the CPU is measured here and now.
    """
    from parakeet_ros.engine.formats import format_name, resolve_dtype
    from parakeet_ros.engine.head_config import TransducerConfig
    from parakeet_ros.engine.loading import size_bytes
    import torch

    on_cpu = resolve_dtype('auto', torch.device('cpu'), size_bytes(checkpoint.path))
    config = checkpoint.config
    n_parameters, n_encoder = model.n_parameters, model.n_encoder_parameters
    head: dict[str, Any] = {}
    transducer = config.heads.get('transducer')
    if isinstance(transducer, TransducerConfig):
        head = {
            'prediction_layers': transducer.prediction_layers,
            'prediction_size': transducer.prediction_size,
            'durations': list(transducer.durations),
            'max_symbols': transducer.max_symbols,
        }
    return {
        'model': source,
        'path': str(checkpoint.path),
        'architecture': 'FastConformer',
        'heads': [each.kind for each in config.heads.values()],
        'parameters': n_parameters,
        'encoder_parameters': n_encoder,
        'encoder_layers': config.encoder.n_layers,
        'encoder_size': config.encoder.d_model,
        'attention_heads': config.encoder.n_heads,
        **head,
        'vocabulary': config.vocab_size,
        'languages': None,  # no checkpoint says
        'mel_features': config.features.n_mels,
        'sample_rate_hz': config.features.sample_rate,
        'encoder_frame_ms': round(1000 * config.encoder_frame_s, 3),
        'dtype_auto_cpu': format_name(on_cpu),
        'memory_float32_mb': round(4 * n_parameters / 1e6, 1),
        'memory_float16_mb': round((4 * n_parameters - 2 * n_encoder) / 1e6, 1),
    }


def _text(value: Any) -> str:
    """Return a value for people."""
    if value is None:
        return 'unknown'
    if isinstance(value, list):
        return ', '.join(map(str, value)) or 'none'
    return f'{value:,}' if isinstance(value, int) and value >= 100_000 else str(value)
