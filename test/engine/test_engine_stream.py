"""Recordings of any length: the same words as alone, on one clock, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
import json
import tracemalloc

from engine_oracle import DATA
import numpy as np
from parakeet_ros.engine import Transcriber, Transcript
from parakeet_ros.engine.long_form import cut_at_pauses, PieceLength
import pytest
import soundfile

RATE = 16_000
FRAME_S = 0.08
HELDOUT = DATA / 'heldout'
SHORT = sorted(HELDOUT.glob('short_*.flac'))
LONG = sorted(HELDOUT.glob('long_*.flac'))
RECORDING_S = 21 * 60.0


@dataclass(frozen=True)
class Placed:
    """A clip's words with their times alone, and where the clip lies in the recording."""

    start_s: float
    alone: Transcript


@pytest.fixture(scope='module')
def recording(builtin, heldout) -> tuple[np.ndarray, list[Placed]]:
    """Return 21 minutes of clips in a room of -70 dBFS, with pauses of 0.4 to 1.6 s."""
    rng = np.random.default_rng(0)
    waveform = (10.0 ** (-70 / 20) * rng.standard_normal(round(RECORDING_S * RATE)))
    waveform = waveform.astype(np.float32)
    alone = builtin.transcribe([clip for clip, _ in heldout])
    placed, position = [], RATE
    while True:
        turn = len(placed) % len(heldout)
        clip = heldout[turn][0]
        if position + len(clip) > len(waveform):
            return waveform, placed
        waveform[position:position + len(clip)] += clip
        placed.append(Placed(position / RATE, alone[turn]))
        position += len(clip) + int(rng.integers(round(0.4 * RATE), round(1.6 * RATE)))


@pytest.fixture(scope='module')
def streamed(builtin, recording) -> list[Transcript]:
    """Return the transcripts of the 21 minutes."""
    return list(builtin.stream(recording[0]))


def offsets_s(placed: list[Placed], transcripts: list[Transcript]) -> tuple[np.ndarray, float]:
    """
    Compare when words were heard with when they were placed.

    :returns: for each placed word that was heard within 1 s of its place, how much later, in
        seconds; and the share of such words.
    """
    heard = [(word.text, word.start_s) for piece in transcripts for word in piece.words]
    times = np.array([start_s for _, start_s in heard])
    found, n_words = [], 0
    for clip in placed:
        for word in clip.alone.words:
            n_words += 1
            due_s = clip.start_s + word.start_s
            near = range(*np.searchsorted(times, [due_s - 1.0, due_s + 1.0]).tolist())
            late_s = [heard[i][1] - due_s for i in near if heard[i][0] == word.text]
            found += [min(late_s, key=abs)] if late_s else []
    return np.array(found), len(found) / n_words


def test_times_of_a_long_recording_do_not_drift(recording, streamed):
    _, placed = recording
    for part in (placed[:100], placed[-100:]):
        late_s, share = offsets_s(part, streamed)
        assert share > 0.8
        assert abs(np.median(late_s)) <= FRAME_S / 2  # clips are not placed on whole frames
        assert np.quantile(np.abs(late_s), 0.9) <= 2 * FRAME_S


def test_pieces_lie_end_to_end_on_the_clock_of_the_recording(streamed):
    position = 0
    for piece in streamed:
        assert piece.start_s == position * 1280 / RATE
        assert piece.audio_s <= 30.0
        for token in piece.tokens:
            assert 0 <= token.frame - position <= piece.audio_s / FRAME_S
        for word in piece.words:
            assert piece.start_s <= word.start_s <= piece.start_s + piece.audio_s
        position += round(piece.audio_s / FRAME_S)
    assert sum(piece.audio_s for piece in streamed) == pytest.approx(RECORDING_S)
    assert min(piece.audio_s for piece in streamed[:-1]) > 15.0


def test_no_word_is_lost_or_doubled_at_a_cut(recording, streamed):
    _, placed = recording
    n_placed = sum(len(clip.alone.words) for clip in placed)
    n_heard = sum(len(piece.words) for piece in streamed)
    assert n_heard == pytest.approx(n_placed, rel=0.06)
    for following in streamed[1:]:
        inside = [clip for clip in placed
                  if clip.start_s + clip.alone.words[0].start_s < following.start_s
                  < clip.start_s + clip.alone.words[-1].end_s]
        assert not inside, f'the cut at {following.start_s} s is in {inside[0].alone.text!r}'


def test_hours_take_no_more_memory_than_minutes(builtin, recording):
    waveform = recording[0][:40 * RATE]

    def peak(n_repeats: int) -> int:
        blocks: Iterator[np.ndarray] = (waveform for _ in range(n_repeats))
        tracemalloc.start()
        audio_s = sum(piece.audio_s for piece in builtin.stream(blocks))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert audio_s == pytest.approx(n_repeats * 40.0)
        return found

    peak(1)
    assert peak(8) < 1.3 * peak(2)


def test_a_piece_is_what_it_is_alone(builtin, recording):
    waveform = recording[0][:95 * RATE]
    length = PieceLength.of(20.0, round(FRAME_S * RATE), RATE)
    pieces = list(cut_at_pauses([waveform], length))
    streamed = list(builtin.stream(waveform, piece_s=20.0, keep_silence=True))
    assert len(streamed) == len(pieces) > 4
    for piece, transcript in zip(pieces, streamed, strict=True):
        alone = builtin.transcribe(piece.waveform)
        start_s = piece.start_sample / RATE
        assert transcript.start_s == start_s and transcript.text == alone.text
        assert [word.start_s - start_s for word in transcript.words] == pytest.approx(
            [word.start_s for word in alone.words])
        assert [(token.frame - piece.start_sample // 1280, token.start_s - start_s)
                for token in transcript.tokens] == [
            (token.frame, pytest.approx(token.start_s)) for token in alone.tokens]


def test_trimming_moves_no_word(builtin, heldout):
    for waveform, _ in heldout[:12]:
        alone = builtin.transcribe(waveform)
        lead = np.zeros(3 * RATE, np.float32)
        lead[:] = 1e-4 * np.random.default_rng(1).standard_normal(len(lead))
        [found] = builtin.stream(np.concatenate([lead[:37 * 1280], waveform]))
        if found.text == alone.text:
            assert [word.start_s for word in found.words] == pytest.approx(
                [37 * FRAME_S + word.start_s for word in alone.words], abs=2.5 * FRAME_S)


# --- the same words however the audio comes ---------------------------------------------------


def test_a_file_gives_what_its_samples_give(builtin, tmp_path):
    path = LONG[0]
    samples, _ = soundfile.read(path, dtype='float32')
    text = builtin.transcribe(path).text
    blocks = [samples[i:i + 4321] for i in range(0, len(samples), 4321)]
    for source in (samples, blocks, iter(blocks), str(path)):
        assert ' '.join(piece.text for piece in builtin.stream(source)) == text
    soundfile.write(tmp_path / 'again.wav', samples, RATE, subtype='FLOAT')
    assert builtin.transcribe(tmp_path / 'again.wav').text == text


def test_a_file_of_several_pieces_is_joined(builtin):
    pieces = list(builtin.stream(LONG[0], piece_s=6.0))
    joined = builtin.transcribe(LONG[0], piece_s=6.0)
    assert len(pieces) > 2
    assert joined.text == ' '.join(piece.text for piece in pieces)
    assert joined.text == ' '.join(word.text for word in joined.words)
    assert joined.tokens == tuple(token for piece in pieces for token in piece.tokens)
    assert joined.audio_s == pytest.approx(soundfile.info(LONG[0]).duration)
    assert joined.start_s == 0.0 and joined.rtfx > 0.0
    assert Transcript.from_dict(json.loads(joined.to_json())) == joined


def test_a_file_without_samples_has_no_text(builtin, tmp_path):
    soundfile.write(tmp_path / 'empty.wav', np.zeros(0, np.float32), RATE)
    transcript = builtin.transcribe(tmp_path / 'empty.wav')
    assert (transcript.text, transcript.audio_s, transcript.words) == ('', 0.0, ())


def test_a_list_gives_a_list_and_keeps_its_order(builtin, heldout):
    audio = (heldout[0][0], SHORT[5], heldout[1][0], str(SHORT[6]))
    found = builtin.transcribe(audio)
    assert [transcript.text for transcript in found] == [
        builtin.transcribe(item).text for item in audio]
    assert builtin.transcribe([]) == []


@pytest.mark.parametrize(('source', 'error', 'message'), [
    ('gone.wav', FileNotFoundError, r'no audio file at gone\.wav'),
    (__file__, ValueError, r'test_engine_stream\.py is not'),
])
def test_a_file_that_cannot_be_read_is_refused_at_once(builtin, source, error, message,
                                                       monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', str(tmp_path))  # no ffmpeg
    with pytest.raises(error, match=message):
        builtin.stream(source)


def test_a_block_that_cannot_be_used_is_refused(builtin):
    with pytest.raises(ValueError, match='NaN'):
        list(builtin.stream([np.zeros(RATE, np.float32), np.full(9, np.nan, np.float32)]))
    with pytest.raises(ValueError, match='needs 16000 Hz'):
        builtin.stream([np.zeros(9, np.float32)], sample_rate=8_000)


# --- threads ------------------------------------------------------------------------------------


def test_threads_that_mix_all_calls_get_the_answers_of_one(builtin: Transcriber, heldout):
    clips = [waveform for waveform, _ in heldout[:8]]
    calls = [
        *(lambda clip=clip: builtin.transcribe(clip).tokens for clip in clips),
        lambda: [piece.tokens for piece in builtin.stream(LONG[1], piece_s=6.0)],
        lambda: [transcript.tokens for transcript in builtin.transcribe(clips)],
        lambda: builtin.transcribe(LONG[2]).tokens,
        lambda: [transcript.tokens for transcript in builtin.transcribe_batch(clips[:3])],
    ]
    expected = [call() for call in calls]
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(len(calls)), 3)).tolist()
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda i: calls[i](), order))
    assert found == [expected[i] for i in order]
