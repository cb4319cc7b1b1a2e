"""Flite: CMU's small synthesiser with voices made of recordings (Debian package flite)."""
import random
import shutil

from parakeet_ros.training.voices.engine import run_to_wav, speaker_size, Speech, VoiceError

SIZES = (0.9, 1.4)


class Flite:
    """Clear but buzzing voices; kal is the plainest."""

    name = 'flite'
    licence = 'MIT-CMU'

    def __init__(self) -> None:
        if shutil.which('flite') is None:
            raise VoiceError('flite is missing; on Debian and Ubuntu: apt install flite')
        self.voices = ['awb', 'kal16', 'rms', 'slt']

    def say(self, text: str, voice: str, rng: random.Random | None = None) -> Speech:
        """Speak a text; a random generator varies the speed, and the size of the speaker."""
        command = ['flite', '-voice', voice, '-t', text]
        if rng is None:
            return run_to_wav([*command, '-o'])
        # Played faster, a man of flite's, all of whose training voices are men, is a woman.
        size = speaker_size(rng, *SIZES)
        stretch = size * rng.uniform(0.75, 1.2)
        speech = run_to_wav([*command, '--setf', f'duration_stretch={stretch:.2f}', '-o'])
        return Speech(speech.samples, round(speech.rate_hz * size))
