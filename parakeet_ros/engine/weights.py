"""NeMo's tensor names mapped to ours, and a strict load into the modules."""

from __future__ import annotations

from collections.abc import Mapping
import re

from torch import nn, Tensor

from .errors import CheckpointError
from .head_config import HeadConfig

WITH_DROPOUT, WITHOUT_DROPOUT = 'joint.joint_net.2.', 'joint.joint_net.1.'

# Our name -> NeMo's, first match wins; the encoder keeps its names.
_NEMO_NAMES: tuple[tuple[str, str], ...] = (
    (r'features\.window', 'preprocessor.featurizer.window'),
    (r'features\.filterbank', 'preprocessor.featurizer.fb'),
    (r'(encoder\..*)', r'\1'),
    (r'head\.prediction\.embedding', 'decoder.prediction.embed.weight'),
    (r'head\.prediction\.cells\.(\d+)\.(weight|bias)_(ih|hh)',
     r'decoder.prediction.dec_rnn.lstm.\2_\3_l\1'),
    (r'head\.joint\.encoder\.(weight|bias)', r'joint.enc.\1'),
    (r'head\.joint\.prediction\.(weight|bias)', r'joint.pred.\1'),
    (r'head\.joint\.output\.(weight|bias)', r'joint.joint_net.2.\1'),
)

# Present in some checkpoints, of no use in inference.
_IGNORED = re.compile(
    r'(loss|ctc_loss|wer|ctc_wer|spec_augmentation|joint\._?(loss|wer))\..*|encoder\.pos_enc\.pe'
)
# NeMo's modules that belong to a head; a hybrid also has those of the head not asked for.
_HEAD_MODULES = frozenset({'decoder', 'joint', 'ctc_decoder'})


def load_weights(
    model: nn.Module, state: dict[str, Tensor], head: HeadConfig, origin: str
) -> None:
    """
    Put a checkpoint's tensors into ``model``, every one in its place.

    The tensors become the model's own, without a copy where they are float32 already, so that
    ``model`` can be built on the meta device.

    :param state: tensors under NeMo's names.
    :param head: the one that ``model`` has; the other head of a hybrid is left out.
    :param origin: the file's name, for messages.
    :raises CheckpointError: a tensor is missing, unknown, or of the wrong shape.
    """
    expected = {
        nemo_name(name, head): (name, value) for name, value in model.state_dict().items()
    }
    unused = _HEAD_MODULES - set(head.nemo_modules)
    given = {name: tensor for name, tensor in as_with_dropout(state).items()
             if name.partition('.')[0] not in unused and not _IGNORED.fullmatch(name)}
    unknown = sorted(given.keys() - expected.keys())
    if unknown:
        raise CheckpointError(f'{origin}: unknown tensors {_some(unknown)}; the model has a part '
                              'that its config does not declare or this engine does not know')
    missing = sorted(expected.keys() - given.keys())
    if missing:
        raise CheckpointError(f'{origin}: missing tensors {_some(missing)}; the file is '
                              'incomplete: get it again or save it again with NeMo')
    ours: dict[str, Tensor] = {}
    for theirs, (name, wanted) in expected.items():
        tensor = given[theirs]
        same_kind = tensor.is_floating_point() == wanted.is_floating_point()
        if tensor.shape != wanted.shape or not same_kind:
            raise CheckpointError(
                f'{origin}: tensor {theirs} is {tensor.dtype} {tuple(tensor.shape)}, but the '
                f'config asks for {wanted.dtype} {tuple(wanted.shape)}; config and weights do not '
                'match: get the file again'
            )
        ours[name] = tensor.to(wanted.dtype)
    model.load_state_dict(ours, strict=True, assign=True)


def as_with_dropout(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """
    Name tensors as if the joint had dropout, which is the name that we know.

    NeMo's joint_net is activation, dropout, linear; without dropout the linear layer moves up.
    """
    return {name.replace(WITHOUT_DROPOUT, WITH_DROPOUT): tensor for name, tensor in state.items()}


def nemo_name(name: str, head: HeadConfig) -> str:
    """Return NeMo's name of one of our tensors."""
    if name.startswith('head.output.'):  # CTC
        return name.replace('head.output', f'{head.nemo_modules[0]}.decoder_layers.0')
    for pattern, replacement in _NEMO_NAMES:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(replacement)
    raise AssertionError(f'no NeMo name for {name}')


def _some(names: list[str]) -> str:
    """Return the first few names and how many more there are."""
    more = f' and {len(names) - 4} more' if len(names) > 4 else ''
    return ', '.join(names[:4]) + more
