"""How the threads of torch wait for each other."""

from __future__ import annotations

import os


def wait_without_spinning() -> None:
    """
    Let threads sleep while they wait, unless the environment says otherwise.

    Those that spin take the cores of a busy robot from each other, and what they wait for takes
    several times as long.  Comes before the import of torch, whose libgomp reads it then.
    """
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
