"""
Speech synthesisers whose licences let their audio train a model that is given away.

``training/VOICES.md`` has the table of engines, voices and licences with their sources.
"""
from collections.abc import Callable

from parakeet_ros.training.voices.engine import (
    Engine,
    Speech,
    training_voices,
    VoiceError,
    WITHHELD_VOICES,
)
from parakeet_ros.training.voices.espeak import Espeak
from parakeet_ros.training.voices.flite import Flite
from parakeet_ros.training.voices.hibari import Hibari
from parakeet_ros.training.voices.kokoro import Kokoro
from parakeet_ros.training.voices.pico import Pico
from parakeet_ros.training.voices.rhvoice import RHVoice

__all__ = ['ENGINES', 'Engine', 'open_engines', 'Speech', 'training_voices', 'VoiceError',
           'WITHHELD_VOICES']

ENGINES: dict[str, Callable[[], Engine]] = {
    'espeak': Espeak, 'flite': Flite, 'hibari': Hibari, 'kokoro': Kokoro, 'pico': Pico,
    'rhvoice': RHVoice}


def open_engines(names: list[str] | None = None) -> list[Engine]:
    """
    Return the engines of these names, or all that this machine has.

    :raises VoiceError: if one that is named is not there, or there is none at all; the message
        says what to install
    """
    engines, missing = [], []
    for name in names or sorted(ENGINES):
        if name not in ENGINES:
            raise VoiceError(f'no voice engine {name!r}; there are {", ".join(sorted(ENGINES))}')
        try:
            engines.append(ENGINES[name]())
        except VoiceError as error:
            if names:
                raise
            missing.append(str(error))
    if not engines:
        raise VoiceError('no voices on this machine: ' + '; '.join(missing))
    return engines
