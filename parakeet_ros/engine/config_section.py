"""Typed look-ups in one section of a model's configuration, with errors that name the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import reprlib
from typing import Any

from .errors import CheckpointError, UnsupportedModelError

# Beyond any real model; keeps a hostile file from making this process huge.
_LARGEST_INTEGER = 1_000_000
_REPR = reprlib.Repr()
_REPR.maxlevel = 2
_REPR.maxstring = _REPR.maxother = 80


class Section:
    """A mapping of the configuration that knows its own dotted name."""

    def __init__(self, values: Mapping[str, Any], origin: str, name: str = '') -> None:
        """Wrap ``values``, found under ``name`` in the file ``origin``."""
        self._values = values
        self.origin = origin
        self._name = name

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def get(self, key: str) -> Any:
        """Return the raw value, None when absent."""
        return self._values.get(key)

    def section(self, key: str) -> Section:
        """Return a sub-section, empty when absent."""
        value = self._values.get(key)
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            raise self.error(key, 'expected a mapping')
        return Section(value, self.origin, self._path(key))

    def integer(
        self,
        key: str,
        default: int | None,
        minimum: int = 1,
        maximum: int = _LARGEST_INTEGER,
    ) -> int:
        """Return a whole number; a None default makes the key obligatory."""
        value = self._lookup(key, default)
        if type(value) is not int or not minimum <= value <= maximum:
            raise self.error(key, f'expected a whole number of {minimum} to {maximum}')
        return value

    def number(self, key: str, default: float) -> float:
        """Return a number >= 0; null means 0."""
        value = self._values.get(key, default)
        if value is None:
            return 0.0
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
            raise self.error(key, 'expected a number of at least 0')
        return float(value)

    def boolean(self, key: str, default: bool) -> bool:
        """Return a truth value."""
        value = self._lookup(key, default)
        if not isinstance(value, bool):
            raise self.error(key, 'expected true or false')
        return value

    def samples(self, key_s: str, key_samples: str, sample_rate: int, default_s: float) -> int:
        """Return a length in samples, given in seconds or under NeMo's alternative in samples."""
        if self._values.get(key_samples) is not None:
            return self.integer(key_samples, default=None)
        n_samples = int(self.number(key_s, default_s) * sample_rate)
        if n_samples < 1:
            raise self.error(key_s, 'expected seconds that make at least one sample')
        return n_samples

    def require(self, key: str, supported: Sequence[Any], default: Any) -> Any:
        """Return the value when it is one of ``supported``, else refuse the model."""
        value = self._values.get(key, default)
        if isinstance(value, tuple):
            value = list(value)
        if not any(value == each for each in supported):
            raise self.unsupported(key, value, ', '.join(str(each) for each in supported))
        return value

    def require_class(self, supported: Sequence[str], key: str = '_target_') -> None:
        """Refuse a section made for a class other than those; files that name none are taken."""
        target = self._values.get(key)
        name = str(target).rsplit('.', 1)[-1]
        if target is not None and name not in supported:
            raise self.unsupported(key, name, ', '.join(supported))

    def error(self, key: str, problem: str) -> CheckpointError:
        """Make the error for a wrong value."""
        return CheckpointError(
            f"{self.origin}: config key '{self._path(key)}' is {_short(self.get(key))}, {problem}"
            '; the file is damaged or hand-edited: get it again or save it again with NeMo'
        )

    def unsupported(self, key: str, value: Any, supported: str) -> UnsupportedModelError:
        """Make the error for a feature that the engine does not have."""
        return UnsupportedModelError(
            f"{self.origin}: config key '{self._path(key)}' is {_short(value)}, "
            f'which this engine does not support; supported: {supported}'
        )

    def _lookup(self, key: str, default: Any) -> Any:
        value = self._values.get(key)
        return default if value is None else value

    def _path(self, key: str) -> str:
        return f'{self._name}.{key}' if self._name else key


def _short(value: Any) -> str:
    """Return the value as text that fits a message, however large it is."""
    text = _REPR.repr(value)  # bounded: aliases can make a small file's value astronomical
    return text if len(text) <= 80 else text[:77] + '...'
