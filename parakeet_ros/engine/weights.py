"""NeMo's tensor names mapped to ours, and a strict load into the modules."""

from __future__ import annotations

import re

import torch
from torch import nn, Tensor

from .errors import CheckpointError

# NeMo's name -> ours, first match wins.  Encoder and joint projections keep their names.
_RENAMES: tuple[tuple[str, str], ...] = (
    (r'preprocessor\.featurizer\.window', 'features.window'),
    (r'preprocessor\.featurizer\.fb', 'features.filterbank'),
    (r'(encoder\..*)', r'\1'),
    (r'decoder\.prediction\.embed\.weight', 'transducer.prediction.embedding'),
    (r'decoder\.prediction\.dec_rnn\.lstm\.(weight|bias)_(ih|hh)_l(\d+)',
     r'transducer.prediction.cells.\3.\1_\2'),
    (r'joint\.enc\.(weight|bias)', r'transducer.joint.encoder.\1'),
    (r'joint\.pred\.(weight|bias)', r'transducer.joint.prediction.\1'),
    # joint_net is activation, dropout, linear; without dropout the linear layer moves up.
    (r'joint\.joint_net\.[12]\.(weight|bias)', r'transducer.joint.output.\1'),
)

# Present in some checkpoints, of no use in inference with a TDT head.
_IGNORED = re.compile(
    r'(loss|ctc_loss|wer|ctc_wer|spec_augmentation|ctc_decoder|joint\._?(loss|wer))\..*'
    r'|encoder\.pos_enc\.pe'
)


def load_weights(model: nn.Module, state: dict[str, Tensor], origin: str) -> None:
    """
    Put a checkpoint's tensors into ``model``, every one in its place.

    The tensors become the model's own, without a copy where they are float32 already, so that
    ``model`` can be built on the meta device.

    :param state: tensors under NeMo's names.
    :param origin: the file's name, for messages.
    :raises CheckpointError: a tensor is missing, unknown, or of the wrong shape.
    """
    expected = model.state_dict()
    ours: dict[str, Tensor] = {}
    unknown: list[str] = []
    for nemo_name, tensor in state.items():
        if _IGNORED.fullmatch(nemo_name):
            continue
        name = _rename(nemo_name)
        if name not in expected or name in ours:
            unknown.append(nemo_name)
            continue
        if tensor.shape != expected[name].shape:
            raise CheckpointError(
                f'{origin}: tensor {nemo_name} has shape {tuple(tensor.shape)}, but the config '
                f'asks for {tuple(expected[name].shape)}; config and weights do not match: get '
                'the file again'
            )
        ours[name] = tensor.to(torch.float32) if tensor.is_floating_point() else tensor
    missing = sorted(expected.keys() - ours.keys())
    if unknown:
        raise CheckpointError(f'{origin}: unknown tensors {_some(unknown)}; the model has a part '
                              'that its config does not declare or this engine does not know')
    if missing:
        raise CheckpointError(f'{origin}: missing tensors {_some(missing)}; the file is '
                              'incomplete: save the checkpoint again with NeMo')
    model.load_state_dict(ours, strict=True, assign=True)


def _rename(nemo_name: str) -> str | None:
    """Return our name of a tensor, None when there is none."""
    for pattern, replacement in _RENAMES:
        match = re.fullmatch(pattern, nemo_name)
        if match:
            return match.expand(replacement)
    return None


def _some(names: list[str]) -> str:
    """Return the first few names and how many more there are."""
    more = f' and {len(names) - 4} more' if len(names) > 4 else ''
    return ', '.join(names[:4]) + more
