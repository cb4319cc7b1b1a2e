"""Files that are there whole or not at all."""

from pathlib import Path
from secrets import token_hex


def write_whole(target: Path, text: str) -> None:
    """
    Write a file whole or not at all.

    Halves of surrogates, as in file names that are no UTF-8, are written as JSON escapes them.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f'.{token_hex(8)}.part')  # shorter than most names, and nobody else's
    try:
        with part.open('x', encoding='utf-8', errors='backslashreplace') as file:
            file.write(text)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
