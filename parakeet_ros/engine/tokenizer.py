"""Token ids to text and back, through the checkpoint's SentencePiece model."""

from __future__ import annotations

from collections.abc import Sequence
import re
import unicodedata

import sentencepiece

from .errors import CheckpointError

# Pieces that NeMo does not search for punctuation: markers, word starts, blanks.
_SPECIAL_PIECE = re.compile(r'\[.*\]|<.*>|##.*|▁.*|\s*', re.DOTALL)
# What SentencePiece puts before the first piece of a word.
WORD_START = '▁'


class Tokenizer:
    """A vocabulary, and NeMo's rules for turning pieces into text."""

    def __init__(self, model: bytes, vocab_size: int, origin: str) -> None:
        """
        Load a serialised SentencePiece model.

        :param vocab_size: the number of tokens that the network knows.
        :param origin: the file's name, for messages.
        :raises CheckpointError: the bytes are no such model or have another vocabulary.
        """
        processor = sentencepiece.SentencePieceProcessor()
        try:
            loaded = bool(model) and processor.LoadFromSerializedProto(model)
        except RuntimeError:
            loaded = False
        if not loaded:
            raise CheckpointError(f'{origin}: not a SentencePiece model; get the file again')
        self._processor = processor
        self.pieces: tuple[str, ...] = tuple(
            processor.id_to_piece(token) for token in range(processor.get_piece_size())
        )
        if len(self.pieces) != vocab_size:
            raise CheckpointError(
                f'{origin}: the tokenizer has {len(self.pieces)} pieces but the network '
                f'{vocab_size} tokens; config and tokenizer do not belong together'
            )
        self.punctuation = _punctuation(self.pieces)
        marks = ''.join(map(re.escape, sorted(self.punctuation)))
        self._space_before_mark = re.compile(rf'\s([{marks}])') if marks else None

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of a whole utterance, no space before punctuation or at the ends."""
        text = self.join(tokens).strip()
        return self._space_before_mark.sub(r'\1', text) if self._space_before_mark else text

    def join(self, tokens: Sequence[int]) -> str:
        """Return the text of some tokens as SentencePiece joins it."""
        return str(self._processor.decode(list(tokens)))

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, in the segmentation that models are trained with."""
        return [int(token) for token in self._processor.encode(text)]

    def missing_characters(self, text: str) -> list[str]:
        """Return the characters of a text that no token can write, each once."""
        unknown = self._processor.unk_id()
        return [character for character in dict.fromkeys(text)
                if not character.isspace() and unknown in self.encode(character)]


def _punctuation(pieces: Sequence[str]) -> frozenset[str]:
    """Return every punctuation character (Unicode P*) of the ordinary pieces."""
    return frozenset(
        character
        for piece in pieces
        if not _SPECIAL_PIECE.fullmatch(piece)
        for character in piece
        if unicodedata.category(character).startswith('P')
    )
