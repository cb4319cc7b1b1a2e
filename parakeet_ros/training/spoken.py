"""Text as it is spoken: lower-case words of letters and apostrophes, numbers spelled out."""
import re

ONES = ('zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen '
        'fifteen sixteen seventeen eighteen nineteen').split()
TENS = 'twenty thirty forty fifty sixty seventy eighty ninety'.split()
LARGEST_NUMBER = 999_999

SPOKEN = re.compile(r"[a-z]+(?:'[a-z]+)*")  # one word; apostrophes inside only


def number_words(number: int) -> str:
    """
    Spell out a whole number, as in "one hundred forty two".

    :raises ValueError: below 0 or above `LARGEST_NUMBER`
    """
    if not 0 <= number <= LARGEST_NUMBER:
        raise ValueError(f'{number} cannot be spelled out; numbers go from 0 to {LARGEST_NUMBER}')
    if number < 20:
        return ONES[number]
    if number < 100:
        return _with_rest(TENS[number // 10 - 2], number % 10)
    if number < 1000:
        return _with_rest(f'{ONES[number // 100]} hundred', number % 100)
    return _with_rest(f'{number_words(number // 1000)} thousand', number % 1000)


def spoken(text: str) -> str | None:
    """
    Return the text as it is spoken, or None if it cannot be told how.

    Punctuation goes, hyphens part words, whole numbers of up to four digits are spelled out.
    Abbreviations, symbols, letters with accents and longer numbers are beyond it.
    """
    text = text.replace('\u2019', "'").replace('`', "'").lower()
    text = re.sub(r'[-\u2013\u2014/]', ' ', text)
    words = []
    for token in text.split():
        token = token.strip('.,;:!?"\'()')
        if token.isascii() and token.isdigit() and len(token) <= 4:
            words.append(number_words(int(token)))
        elif SPOKEN.fullmatch(token):
            words.append(token)
        elif token:
            return None
    return ' '.join(words)


def _with_rest(head: str, rest: int) -> str:
    """Append what is left of a number unless it is zero."""
    return f'{head} {number_words(rest)}' if rest else head
