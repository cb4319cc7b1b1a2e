"""Giving freed memory back to the system."""

from __future__ import annotations

import ctypes


def release_freed() -> None:
    """
    Let glibc return what has been freed; elsewhere nothing happens.

    A long recording is cut into pieces of many lengths, and oneDNN caches kernels for each.  They
    lie scattered among the tensors, so that without this the heap grew by 10 MB a minute.
    """
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:
        trim(0)
