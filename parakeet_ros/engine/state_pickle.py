"""
The pickle inside a PyTorch archive, read as a table of tensors; nothing in it can run.

``torch.load`` can map an archive into memory only where the archive is a file of its own, which
in a ``.nemo`` file it is not, and its ``weights_only`` ran code before torch 2.6 after all
(CVE-2025-32434).  What ``torch.save`` writes for named tensors needs 28 opcodes and a few names,
and those are all there is here.  Instead of torch's functions it calls the ones below, which only
take notes.
"""

from __future__ import annotations

from collections.abc import Callable
import io
import pickle
from typing import Any, ClassVar, NamedTuple

import torch

# Of pickle protocol 2, the one that torch.save takes; BUILD and SETITEM(S) are stricter below.
_OPCODES = (
    pickle.PROTO, pickle.STOP, pickle.MARK, pickle.GLOBAL, pickle.REDUCE, pickle.BUILD,
    pickle.BINPERSID, pickle.BINPUT, pickle.LONG_BINPUT, pickle.BINGET, pickle.LONG_BINGET,
    pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.BININT, pickle.BININT1, pickle.BININT2,
    pickle.LONG1, pickle.BINFLOAT, pickle.BINUNICODE, pickle.EMPTY_TUPLE, pickle.TUPLE,
    pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3, pickle.EMPTY_LIST, pickle.APPEND,
    pickle.APPENDS, pickle.EMPTY_DICT, pickle.SETITEM, pickle.SETITEMS,
)
_DTYPES = {
    'DoubleStorage': torch.float64, 'FloatStorage': torch.float32, 'HalfStorage': torch.float16,
    'BFloat16Storage': torch.bfloat16, 'LongStorage': torch.int64, 'IntStorage': torch.int32,
    'ShortStorage': torch.int16, 'CharStorage': torch.int8, 'ByteStorage': torch.uint8,
    'BoolStorage': torch.bool,
}


class StoredTensor(NamedTuple):
    """Where a tensor lies: in which record, and how it is laid out there, in elements."""

    record: str
    dtype: torch.dtype
    n_stored: int  # elements of the whole record
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _Storage(NamedTuple):
    record: str
    dtype: torch.dtype
    n_stored: int


def read_table(content: bytes) -> dict[str, StoredTensor]:
    """
    Return what a pickled state dict says of its tensors.

    :raises ValueError: it holds anything but named dense tensors, or is damaged; other types of
        error are possible, too, as in all unpickling.
    """
    table = _Unpickler(io.BytesIO(content)).load()
    if not isinstance(table, dict):
        raise ValueError(f'it holds a {type(table).__name__}, not named tensors')
    for name, value in table.items():
        if not isinstance(value, StoredTensor):
            raise ValueError(f'entry {name[:80]!r} is not a dense tensor')
    return dict(table)


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> StoredTensor:
    """Stand in for ``torch._utils._rebuild_tensor_v2``."""
    numbers = (offset, *shape, *stride)
    if not isinstance(storage, _Storage) or not all(type(each) is int for each in numbers):
        raise ValueError('a tensor without a proper storage or shape')
    return StoredTensor(*storage, offset, tuple(shape), tuple(stride))


def _dictionary() -> dict[str, Any]:
    """Stand in for ``OrderedDict``; torch.save gives it no content, which `_put` checks."""
    return {}


def _parameter(tensor: Any, *_: Any) -> Any:
    """Stand in for ``torch._utils._rebuild_parameter``."""
    return tensor


_NAMES: dict[tuple[str, str], Any] = {
    ('collections', 'OrderedDict'): _dictionary,
    ('torch._utils', '_rebuild_tensor_v2'): _tensor,
    ('torch._utils', '_rebuild_parameter'): _parameter,
    **{('torch', name): dtype for name, dtype in _DTYPES.items()},
}


class _Unpickler(pickle._Unpickler):
    """Python's own unpickler in Python, with all that a table of tensors does not need cut off."""

    stack: list[Any]
    pop_mark: Callable[[], list[Any]]
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        opcode[0]: pickle._Unpickler.dispatch[opcode[0]] for opcode in _OPCODES}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise ValueError(f'it names {module}.{name}'[:200])
        return _NAMES[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, record, _, n_stored = pid
        if (kind != 'storage' or not isinstance(dtype, torch.dtype) or type(record) is not str
                or type(n_stored) is not int):
            raise ValueError('a reference that is no storage')
        return _Storage(record, dtype, n_stored)

    def load_build(self) -> None:
        """Drop the attributes of an object: modules leave a version there that nobody needs."""
        self.stack.pop()

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._put([key, value])

    def load_setitems(self) -> None:
        self._put(self.pop_mark())

    def _put(self, items: list[Any]) -> None:
        """Add to the dictionary; other keys than text could take for ever to hash."""
        if not (isinstance(self.stack[-1], dict) and all(type(key) is str for key in items[::2])):
            raise ValueError('it has keys that are not text')
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
