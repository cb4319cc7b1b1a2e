"""Flite: CMU's small synthesiser with voices made of recordings (Debian package flite)."""
import random
import shutil

from parakeet_ros.training.voices.engine import run_to_wav, Speech, VoiceError


class Flite:
    """Clear but buzzing voices; kal is the plainest."""

    name = 'flite'
    licence = 'MIT-CMU'

    def __init__(self) -> None:
        if shutil.which('flite') is None:
            raise VoiceError('flite is missing; on Debian and Ubuntu: apt install flite')
        self.voices = ['awb', 'kal16', 'rms', 'slt']

    def say(self, text: str, voice: str, rng: random.Random | None = None) -> Speech:
        """Speak a text; a random generator varies the speed."""
        options = ['--setf', f'duration_stretch={rng.uniform(0.75, 1.2):.2f}'] if rng else []
        return run_to_wav(['flite', '-voice', voice, *options, '-t', text, '-o'])
