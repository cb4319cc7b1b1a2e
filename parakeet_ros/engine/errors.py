"""The errors that the engine raises for bad input; each is also a ValueError."""


class CheckpointError(ValueError):
    """A model file that is missing, damaged, inconsistent, or hostile."""


class UnsupportedModelError(CheckpointError):
    """A sound model file whose configuration asks for what this engine does not have."""


class ModelNotFoundError(CheckpointError):
    """A model that is not on this machine and could not be fetched."""


class DeviceError(ValueError):
    """A device or number format that this machine cannot give."""
