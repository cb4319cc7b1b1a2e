"""Pieces make up the recording, are cut in pauses, and do not depend on the blocks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from parakeet_ros.engine.long_form import cut_at_pauses, PieceLength
import pytest

RATE = 16_000
GRID = 1280  # an encoder frame of 80 ms


def speech(n_samples: int, seed: int) -> np.ndarray:
    """Return noise whose level changes like that of syllables, with samples all different."""
    rng = np.random.default_rng(seed)
    n_syllables = n_samples // 2400 + 1
    level = np.repeat(10.0 ** (rng.uniform(-30, -10, n_syllables) / 20), 2400)[:n_samples]
    return (level * rng.standard_normal(n_samples)).astype(np.float32)


def split(waveform: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    """Cut into blocks of the given sizes, over and over."""
    blocks, begin, turn = [], 0, 0
    while begin < len(waveform):
        blocks.append(waveform[begin:begin + sizes[turn % len(sizes)]])
        begin, turn = begin + len(blocks[-1]), turn + 1
    return blocks


recordings = st.builds(speech, st.integers(0, 20 * RATE), st.integers(0, 999))
lengths = st.builds(
    PieceLength.of, st.floats(4.0, 12.0), st.sampled_from([1, 160, GRID]), st.just(RATE))


@given(waveform=recordings, length=lengths)
@settings(max_examples=20, deadline=None)
def test_every_sample_is_in_exactly_one_piece_in_order(waveform, length):
    pieces = list(cut_at_pauses([waveform], length))
    joined = np.concatenate([np.zeros(0, np.float32), *(piece.waveform for piece in pieces)])
    assert np.array_equal(joined, waveform)
    ends = [piece.start_sample + len(piece.waveform) for piece in pieces]
    assert [piece.start_sample for piece in pieces] == [0, *ends][:len(pieces)]


@given(waveform=recordings, length=lengths)
@settings(max_examples=20, deadline=None)
def test_pieces_keep_to_the_limit_and_the_grid_and_leave_no_snippet(waveform, length):
    pieces = list(cut_at_pauses([waveform], length))
    for piece in pieces:
        assert 0 < len(piece.waveform) <= length.limit_samples
        assert piece.start_sample % length.grid_samples == 0
    if len(pieces) > 1:
        assert min(len(piece.waveform) for piece in pieces) > RATE
        shortest = min(len(piece.waveform) for piece in pieces[:-1])
        assert shortest >= length.limit_samples * 2 // 3 - 1


@given(waveform=recordings, sizes=st.lists(st.integers(1, 3 * RATE), min_size=1, max_size=8))
@settings(max_examples=20, deadline=None)
def test_cuts_do_not_depend_on_the_blocks(waveform, sizes):
    length = PieceLength.of(5.0, GRID, RATE)
    whole = [piece.start_sample for piece in cut_at_pauses([waveform], length)]
    blocks = split(waveform, [max(size, 200) for size in sizes])
    assert [piece.start_sample for piece in cut_at_pauses(blocks, length)] == whole


@given(seed=st.integers(0, 999), pause_s=st.floats(0.24, 2.0), where=st.floats(0.0, 1.0),
       noise_db=st.sampled_from([-70.0, -50.0, -200.0]), offset=st.sampled_from([0.0, 0.2]))
@settings(max_examples=40, deadline=None)
def test_a_cut_falls_in_the_pause_if_there_is_one(seed, pause_s, where, noise_db, offset):
    waveform = speech(12 * RATE, seed)
    first, last = 6.6, 8.8 - pause_s  # the search covers 6.67 to 9 s of 10
    begin = round((first + where * (last - first)) * RATE)
    end = begin + round(pause_s * RATE)
    noise = np.random.default_rng(seed).standard_normal(end - begin) * 10 ** (noise_db / 20)
    waveform[begin:end] = noise.astype(np.float32)
    pieces = list(cut_at_pauses([waveform + np.float32(offset)], PieceLength.of(10.0, GRID, RATE)))
    assert begin < pieces[1].start_sample < end


def test_a_piece_comes_as_soon_as_it_is_too_long():
    length = PieceLength.of(4.0, GRID, RATE)
    taken = []

    def blocks():
        for i in range(100):
            taken.append(i)
            yield speech(1600, i)

    next(cut_at_pauses(blocks(), length))
    assert len(taken) == length.limit_samples // 1600 + 1


def test_a_caller_may_use_its_block_again():
    block = np.zeros(8000, np.float32)

    def blocks():
        for i in range(6):
            block[:] = i
            yield block

    [piece] = cut_at_pauses(blocks(), PieceLength.of(4.0, GRID, RATE))
    assert np.array_equal(np.unique(piece.waveform), np.arange(6))


@pytest.mark.parametrize('piece_s', [0.0, 3.9, 601.0, -30.0, float('nan'), float('inf')])
def test_a_piece_length_out_of_range_is_refused(piece_s):
    with pytest.raises(ValueError, match=r'piece_s is .*; give 4 to 600'):
        PieceLength.of(piece_s, GRID, RATE)
