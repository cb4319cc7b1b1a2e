"""
``tokenizer.json`` of transformers turned back into the SentencePiece model that it came from.

So the engine has one tokenizer, whatever the model file.  transformers keeps the pieces in the
order of their merges, which is all that SentencePiece's scores say of a BPE vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import re
import struct
from typing import Any

from .errors import CheckpointError, UnsupportedModelError

# Types of a piece, and the one model type, in sentencepiece_model.proto.
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6
_BPE = 2
_BYTE_PIECE = re.compile('<0x[0-9A-F]{2}>')


def sentencepiece_model(raw: Mapping[str, Any], vocab_size: int, origin: str) -> bytes:
    """
    Build a serialised SentencePiece model.

    :param raw: the parsed file.
    :param vocab_size: the tokens of the network; pieces beyond it, such as blank, are left out.
    :param origin: the file's name, for messages.
    :raises CheckpointError: it is no BPE vocabulary of at least that size.
    """
    model = raw.get('model')
    if not isinstance(model, Mapping):
        raise CheckpointError(f"{origin}: has no 'model'; get the file again")
    if model.get('type') != 'BPE':
        raise UnsupportedModelError(f"{origin}: model.type is {str(model.get('type'))[:80]!r}, "
                                    'which this engine does not support; supported: BPE')
    special = _added(raw)
    pieces = _pieces(model, special, vocab_size, origin)
    unknown = model.get('unk_token')
    bytes_complete = sum(map(bool, map(_BYTE_PIECE.fullmatch, pieces))) == 256
    messages = [
        _piece(text, -float(token), _kind(text, unknown, special, bytes_complete))
        for token, text in enumerate(pieces)
    ]
    trainer = _number(3, _BPE) + (_number(35, 1) if bytes_complete else b'')
    return b''.join(_bytes(1, message) for message in messages) + _bytes(2, trainer)


def _pieces(
    model: Mapping[str, Any], special: Mapping[str, int], vocab_size: int, origin: str
) -> Sequence[str]:
    """Return the text of every token of the network."""
    vocabulary = model.get('vocab')
    if not isinstance(vocabulary, Mapping):
        raise CheckpointError(f"{origin}: has no 'model.vocab'; get the file again")
    by_id: dict[int, str] = {}
    for text, token in {**vocabulary, **special}.items():
        if type(token) is not int or not isinstance(text, str):
            raise CheckpointError(f'{origin}: the id of {str(text)[:80]!r} is no whole number; '
                                  'get the file again')
        by_id[token] = text
    missing = next((token for token in range(vocab_size) if token not in by_id), None)
    if missing is not None:
        raise CheckpointError(
            f'{origin}: the tokenizer has no piece {missing} but the network {vocab_size} tokens; '
            'config and tokenizer do not belong together')
    return [by_id[token] for token in range(vocab_size)]


def _added(raw: Mapping[str, Any]) -> dict[str, int]:
    """Return the special tokens: those that are never text."""
    added = raw.get('added_tokens')
    return {
        token['content']: token['id']
        for token in (added if isinstance(added, list) else [])
        if isinstance(token, Mapping) and token.get('special') is True
        and isinstance(token.get('content'), str) and type(token.get('id')) is int
    }


def _kind(text: str, unknown: Any, special: Mapping[str, int], bytes_complete: bool) -> int:
    """Return the type of a piece."""
    if text == unknown:
        return _UNKNOWN
    if text in special:
        return _CONTROL
    return _BYTE if bytes_complete and _BYTE_PIECE.fullmatch(text) else _NORMAL


def _piece(text: str, score: float, kind: int) -> bytes:
    """Serialise one piece: text in field 1, score in 2, type in 3."""
    encoded = text.encode('utf-8', errors='replace')
    return _bytes(1, encoded) + b'\x15' + struct.pack('<f', score) + _number(3, kind)


def _bytes(field: int, content: bytes) -> bytes:
    """Serialise a protobuf field of bytes."""
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, value: int) -> bytes:
    """Serialise a protobuf field of a whole number."""
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    """Serialise a whole number, seven bits a byte, the lowest first."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(encoded + bytes([value]))
