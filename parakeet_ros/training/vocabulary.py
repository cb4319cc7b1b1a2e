"""The pieces of words that a new model writes."""

from __future__ import annotations

from collections.abc import Iterable
import io

import sentencepiece


def train_tokenizer(sentences: Iterable[str], n_pieces: int) -> bytes:
    """
    Make a vocabulary by byte-pair encoding.

    Ids are as in the packaged model: 0 unknown, 2 padding, no marks of begin and end.

    :returns: a serialised SentencePiece model.
    :raises ValueError: the sentences have too few different letters and words for so many pieces.
    """
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences), model_writer=model, vocab_size=n_pieces,
            model_type='bpe', character_coverage=1.0, bos_id=-1, eos_id=-1, pad_id=2,
            minloglevel=2)
    except RuntimeError as error:
        raise ValueError(f'no vocabulary of {n_pieces} pieces for these sentences: {error}; '
                         'give more sentences or fewer pieces') from error
    return model.getvalue()
