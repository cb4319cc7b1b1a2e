"""eSpeak NG: formant synthesis, robotic but in many variants (Debian package espeak-ng)."""
import random
import re
import shutil
import subprocess

from parakeet_ros.training.voices.engine import run_to_wav, Speech, VoiceError

ACCENTS = ('en-us', 'en-gb', 'en-gb-scotland', 'en-gb-x-rp', 'en-us-nyc', 'en-029',
           'en-gb-x-gbclan')
# Of the variants that come with it those that sound like a person of some kind.
VARIANTS = frozenset("""
    f1 f2 f3 f4 f5 m1 m2 m3 m4 m5 m6 m7 m8 Alex Andrea Annie belinda benjamin boris david edward
    grandma grandpa Henrique iven Jacky john kaukovalta klatt2 klatt3 linda Lee max Michael
    Mr_serious Nguyen norbert pablo paul pedro quincy Reed rob robert sandro steph steph2
    travis""".split())


class Espeak:
    """The least natural of the engines; good for a few per cent of the data."""

    name = 'espeak'
    licence = 'no claim on the output'  # the program is under GPL-3.0-or-later

    def __init__(self) -> None:
        if shutil.which('espeak-ng') is None:
            raise VoiceError('espeak-ng is missing; on Debian and Ubuntu: apt install espeak-ng')
        listing = subprocess.run(['espeak-ng', '--voices=variant'], capture_output=True, text=True,
                                 check=True).stdout
        installed = sorted(VARIANTS & set(re.findall(r'!v/(\S+)', listing)))
        self.voices = [f'{accent}+{variant}' for accent in ACCENTS for variant in installed]

    def say(self, text: str, voice: str, rng: random.Random | None = None) -> Speech:
        """Speak a text; a random generator varies speed and pitch."""
        options = ['-s', str(rng.randint(130, 210)), '-p', str(rng.randint(20, 75))] if rng else []
        return run_to_wav(['espeak-ng', '-v', voice, *options, text, '-w'])
