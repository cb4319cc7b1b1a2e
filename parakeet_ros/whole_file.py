"""Files that are there whole or not at all."""

from pathlib import Path


def write_whole(target: Path, text: str) -> None:
    """
    Write a file whole or not at all.

    Halves of surrogates, as in file names that are no UTF-8, are written as JSON escapes them.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f'{target.name}.part')
    part.write_text(text, encoding='utf-8', errors='backslashreplace')
    part.replace(target)
