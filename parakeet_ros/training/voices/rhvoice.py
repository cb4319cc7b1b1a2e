"""RHVoice: voices made of statistical models, as flite's and Pico's are (built from source)."""
import random
import shutil

from parakeet_ros.training.voices.engine import run_to_wav, speaker_size, Speech, VoiceError

PROGRAM = 'RHVoice-test'
SIZES = (0.8, 1.25)


class RHVoice:
    """
    An American man and woman of CMU ARCTIC.

    Its third American, slt, is the speaker of flite's slt, which is withheld.
    """

    name = 'rhvoice'
    licence = 'LGPL-2.1-or-later'

    def __init__(self) -> None:
        if shutil.which(PROGRAM) is None:
            raise VoiceError(f'{PROGRAM} is missing; training/VOICES.md says how to get it')
        self.voices = ['bdl', 'clb']

    def say(self, text: str, voice: str, rng: random.Random | None = None) -> Speech:
        """Speak a text; a random generator varies speed and pitch, and the speaker's size."""
        size = speed = pitch = 1.0
        if rng is not None:
            size = speaker_size(rng, *SIZES)
            speed, pitch = rng.uniform(0.75, 1.3), rng.uniform(0.85, 1.15)
        speech = run_to_wav(
            [PROGRAM, '-p', voice, '-r', f'{100 * speed / size:.0f}', '-t', f'{100 * pitch:.0f}',
             '-o'], text)
        return Speech(speech.samples, round(speech.rate_hz * size))
