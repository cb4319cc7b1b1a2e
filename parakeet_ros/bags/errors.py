"""What can be wrong with a bag."""


class BagError(ValueError):
    """A bag that cannot be read, or not as asked; the message names it and the remedy."""


class BagLibraryError(BagError):
    """The library that reads bags is not installed."""

    def __init__(self, error: ImportError) -> None:
        super().__init__(
            f'bags are read with the Python package rosbags, which cannot be imported ({error}); '
            'install it: pip install rosbags')
