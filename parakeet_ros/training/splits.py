"""Which sentences are for training and which are kept for measuring, told by the text alone."""
import hashlib

TEST_PERCENT = 2
DEV_PERCENT = 2
LONG_ENOUGH_WORDS = 3  # shorter ones ("stop", "turn left") are too few to withhold any


def split_of(text: str) -> str:
    """
    Return ``train``, ``dev`` or ``test``: by the sentence's hash, the same everywhere for ever.

    Sentences of one or two words are all for training, so that a robot learns each of them.
    """
    if len(text.split()) < LONG_ENOUGH_WORDS:
        return 'train'
    percent = int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), 16) % 100
    if percent < TEST_PERCENT:
        return 'test'
    return 'dev' if percent < TEST_PERCENT + DEV_PERCENT else 'train'
