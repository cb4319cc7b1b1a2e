"""
Models by their name on the Hugging Face hub, ``org/name`` or ``org/name@revision``.

A model that is in the cache is used without asking the hub: a robot starts alike with and without
a network, and its model changes only when somebody runs ``parakeet-ros download``.

A repository's ``.nemo`` file is preferred to the files of transformers: every Parakeet repository
has one, it holds the front end's tensors and the decoding settings that transformers leaves out,
its checksums tell when it is damaged, and a single file is easy to copy to an offline robot.
"""

from __future__ import annotations

from collections.abc import Sequence
import logging
from pathlib import Path
import re

from .errors import CheckpointError, ModelNotFoundError
from .transformers_folder import is_model_folder, MODEL_FILES

_HUB_ID = re.compile(r'[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?')
_NEMO_FILES = ('*.nemo',)
# To find out what the repository holds; the download itself has the library's own limits.
_TIMEOUT_S = 10.0
_OR_BUILTIN = 'or use the packaged model of robot commands, builtin'

_logger = logging.getLogger(__name__)


def is_hub_id(text: str) -> bool:
    """Tell whether the text reads as ``org/name`` or ``org/name@revision``."""
    return _HUB_ID.fullmatch(text) is not None


def fetch(source: str) -> Path:
    """
    Return the path of a model, from the cache if it is there, else downloaded.

    :param source: ``org/name`` or ``org/name@revision``.
    :returns: a ``.nemo`` file or a folder in the format of transformers.
    :raises ModelNotFoundError: it is not in the cache and cannot be downloaded.
    :raises CheckpointError: the repository holds no model that the engine reads.
    """
    try:
        cached = _cached(source)
        if cached is not None:
            return cached
        _logger.warning('%s is not in the cache: downloading it', source)
        return _download(source)
    except CheckpointError:
        raise
    except Exception as error:  # as in `download`
        raise ModelNotFoundError(
            f"model '{source}' is neither a path here nor in the cache of the Hugging Face hub, "
            f'and cannot be downloaded ({_reason(error)}). Where there is a network, run: '
            f'parakeet-ros download {source} (for a robot without one, copy there the file that '
            f'it prints, and give its path as the model); {_OR_BUILTIN}') from error


def download(source: str) -> Path:
    """
    Bring a model into the cache, or up to date, and return its path; parameters as ``fetch``.

    The library shows its progress on standard error.  It honours ``HF_HOME``, ``HF_TOKEN``,
    ``HF_ENDPOINT`` and ``HF_HUB_OFFLINE``.
    """
    try:
        return _download(source)
    except CheckpointError:
        raise
    except Exception as error:  # which ones depends on the library's version: requests, httpx, xet
        raise ModelNotFoundError(
            f"model '{source}' cannot be downloaded ({_reason(error)}). For a machine without a "
            'network, do it on another, copy the file that it prints, and give its path as the '
            f'model; {_OR_BUILTIN}') from error


def _download(source: str) -> Path:
    from huggingface_hub import hf_hub_download, HfApi, snapshot_download

    repository, revision = _split(source)
    info = HfApi().model_info(repository, revision=revision, timeout=_TIMEOUT_S)
    names = sorted(file.rfilename for file in info.siblings or ())
    nemo_file = _choose_nemo(source, names)

    def bring(revision: str | None) -> Path:
        if nemo_file is not None:
            return Path(hf_hub_download(repository, nemo_file, revision=revision))
        folder = Path(snapshot_download(
            repository, revision=revision, allow_patterns=list(MODEL_FILES)))
        if not is_model_folder(folder):
            raise CheckpointError(
                f'{source}: the repository has neither a .nemo file nor a model in the format of '
                f'transformers (found: {", ".join(names[:20])})')
        return folder

    # The library moves a branch's name in the cache before it has the files. The name of a commit
    # moves none, so that the model before is found until the new one is there.
    bring(info.sha)
    return bring(revision)


def _cached(source: str) -> Path | None:
    """Return the model's path in the cache, None if it is not there or not complete."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    repository, revision = _split(source)
    for patterns in (_NEMO_FILES, MODEL_FILES):
        try:
            folder = Path(snapshot_download(
                repository, revision=revision, allow_patterns=list(patterns),
                local_files_only=True))
        except (LocalEntryNotFoundError, FileNotFoundError):
            continue
        nemo_file = _choose_nemo(source, [path.name for path in folder.glob('*.nemo')])
        if nemo_file is not None:
            return folder / nemo_file
        if is_model_folder(folder):
            return folder
    return None


def _choose_nemo(source: str, names: Sequence[str]) -> str | None:
    """Return the ``.nemo`` file to take: the only one, or the one with the repository's name."""
    nemo_files = [name for name in names if name.endswith('.nemo') and '/' not in name]
    own_name = _split(source)[0].rpartition('/')[2] + '.nemo'
    if own_name in nemo_files:
        return own_name
    if len(nemo_files) > 1:
        raise CheckpointError(f'{source}: the repository has several models '
                              f'({", ".join(nemo_files[:20])}); download the one that you want '
                              'and give its path')
    return nemo_files[0] if nemo_files else None


def _split(source: str) -> tuple[str, str | None]:
    """Return the repository and the revision, None for its main branch."""
    repository, _, revision = source.partition('@')
    return repository, revision or None


def _reason(error: Exception) -> str:
    """Return the first line of the library's reason, or what to install."""
    if isinstance(error, ImportError):
        return 'the package huggingface_hub is missing: pip install huggingface_hub'
    lines = str(error).strip().splitlines()
    return f'{type(error).__name__}: {lines[0].rstrip(".") if lines else "no reason given"}'
