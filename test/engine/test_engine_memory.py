"""Giving freed memory back."""

from __future__ import annotations

from parakeet_ros.engine import memory


def test_freed_memory_is_given_back_once_in_a_while(monkeypatch):
    releases = []
    monkeypatch.setattr(memory, 'release_freed', lambda: releases.append(1))
    freed = memory.FreedMemory()
    counts = []
    for _ in range(2 * freed.EVERY + 1):
        freed.note_call()
        counts.append(len(releases))
    assert counts == [0] * (freed.EVERY - 1) + [1] * freed.EVERY + [2] * 2
