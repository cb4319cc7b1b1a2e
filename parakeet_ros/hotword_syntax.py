"""Hotwords as people write them, in parameters or commands: `phrase` or `phrase:weight`."""

import math


def parse_hotword(text: str) -> str | tuple[str, float]:
    """
    Read one hotword.

    :returns: the phrase alone, for the default weight, or with its weight.
    :raises ValueError: the phrase is empty or the weight not a number above 0, naming the text.
    """
    phrase, colon, written = text.rpartition(':')
    if not colon:
        phrase, written = text, '1'
    try:
        weight = float(written)
    except ValueError:
        weight = math.nan
    if not phrase.strip():
        raise ValueError(f"hotword '{text}' has no words; give 'phrase' or 'phrase:weight'")
    if not 0.0 < weight < math.inf:
        raise ValueError(f"hotword '{text}' has the weight '{written}'; give 'phrase' or "
                         "'phrase:weight' with a number above 0")
    return (phrase, weight) if colon else phrase
