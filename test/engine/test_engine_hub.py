"""
Models from the hub: through the real client, over HTTP, from a server that speaks its language.

The engine runs in processes of its own, since the client reads its environment once; no request
leaves the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
import json
import os
from pathlib import Path
import shutil
import subprocess
import sys
from typing import Any

from engine_oracle import DATA, ORACLE
from fake_hub import FakeHub
import pytest

TINY = (ORACLE / 'tinyb.nemo').read_bytes()
FOLDER = {path.name: path.read_bytes() for path in (DATA / 'transformers' / 'ctc').iterdir()}
NOBODY = 'http://127.0.0.1:9'  # the discard port: refused at once
STEPS = """
import json, sys
from parakeet_ros.engine import load_model
from parakeet_ros.engine.hub import download
for step in sys.argv[1:]:
    verb, _, source = step.partition(' ')
    try:
        if verb == 'download':
            answer = {'path': str(download(source))}
        else:
            answer = {'parameters': load_model(source, device='cpu').n_parameters}
    except ValueError as error:
        answer = {'error': type(error).__name__, 'message': str(error)}
    print(json.dumps(answer))
"""
Answers = list[dict[str, Any]]
Steps = Callable[..., Answers]


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    """Return a hub with some repositories."""
    server = FakeHub()
    server.repositories = {
        'nvidia/tiny': {'main': {'README.md': b'#', 'tiny.nemo': TINY, **FOLDER},
                        'v1': {'other.nemo': TINY}},
        'nvidia/folder': {'main': {'README.md': b'#', 'pytorch_model.bin': b'x', **FOLDER}},
        'nvidia/several': {'main': {'a.nemo': TINY, 'b.nemo': TINY}},
        'nvidia/nothing': {'main': {'README.md': b'#'}},
    }
    with server.running():
        yield server


@pytest.fixture
def environment(hub: FakeHub, tmp_path: Path) -> dict[str, str]:
    """Return an environment with that hub and an empty cache."""
    return {**os.environ, 'HF_HOME': str(tmp_path / 'cache'), 'HF_ENDPOINT': hub.url,
            'OMP_NUM_THREADS': '1'}


@pytest.fixture
def do(environment: dict[str, str]) -> Steps:
    """Return a function that does steps, such as ``load nvidia/tiny``, in one process."""
    def run(*steps: str, prelude: str = '', **changes: str) -> Answers:
        result = subprocess.run(
            [sys.executable, '-c', prelude + STEPS, *steps], capture_output=True, text=True,
            check=False, env={**environment, **changes})
        assert result.returncode == 0, result.stderr
        return [json.loads(line) for line in result.stdout.splitlines()]
    return run


def cached_names(environment: dict[str, str]) -> set[str]:
    """Return the names of the files in the cache."""
    return {path.name for path in Path(environment['HF_HOME']).rglob('snapshots/*/*')}


@pytest.mark.parametrize(('source', 'name', 'files'), [
    ('nvidia/tiny', 'tiny.nemo', {'tiny.nemo'}),
    ('nvidia/tiny@v1', 'other.nemo', {'other.nemo'}),
    ('nvidia/folder', None, FOLDER.keys() - {'generation_config.json', 'tokenizer_config.json'}),
])
def test_the_command_fetches_what_is_read_and_it_loads_offline(
        do: Steps, environment: dict[str, str], source: str, name: str | None,
        files: set[str]) -> None:
    fetched = subprocess.run(
        [sys.executable, '-m', 'parakeet_ros', 'download', source], env=environment,
        capture_output=True, text=True, check=False)
    assert fetched.returncode == 0, fetched.stderr
    path = Path(fetched.stdout.strip())
    assert path.is_file() and path.name == name if name else path.is_dir()
    assert f'model:={source}' in fetched.stderr and str(path) in fetched.stderr
    assert cached_names(environment) == files
    [loaded] = do(f'load {source}', HF_HUB_OFFLINE='1')
    assert loaded['parameters'] > 0


def test_a_download_that_nobody_asked_for_is_announced(environment: dict[str, str]) -> None:
    info = [sys.executable, '-m', 'parakeet_ros', 'info', 'nvidia/tiny']
    first, second = (subprocess.run(
        info, env=environment, capture_output=True, text=True, check=True) for _ in range(2))
    announced = 'nvidia/tiny is not in the cache: downloading it'
    assert announced in first.stderr and announced not in second.stderr


def test_what_is_in_the_cache_is_loaded_without_a_request(do: Steps, hub: FakeHub) -> None:
    first, second = do('load nvidia/tiny', 'load nvidia/tiny')
    assert first == second and first['parameters'] > 0
    once = list(hub.requests)
    assert any(request.endswith('/tiny.nemo') for request in once)
    assert do('load nvidia/tiny') == [first]
    assert hub.requests == once


def test_an_incomplete_folder_in_the_cache_is_completed(
        do: Steps, environment: dict[str, str]) -> None:
    [answer] = do('download nvidia/folder')
    shard = Path(answer['path']) / 'model-00002-of-00002.safetensors'
    shard.unlink()
    assert do('load nvidia/folder')[0]['parameters'] > 0
    assert shard.is_file()


def test_a_model_changes_only_when_it_is_downloaded_again(do: Steps, hub: FakeHub) -> None:
    [old] = do('load nvidia/folder')
    hub.repositories['nvidia/folder'] = {'main': {'new.nemo': TINY}, 'old': FOLDER}
    before, _, after = do('load nvidia/folder', 'download nvidia/folder', 'load nvidia/folder')
    assert before == old != after
    assert after['parameters'] > 0


@pytest.mark.parametrize('name', ['tiny', 'folder'])
def test_a_download_that_breaks_off_leaves_the_model_that_was_there(
        do: Steps, hub: FakeHub, name: str) -> None:
    [old] = do(f'load nvidia/{name}')
    files = hub.repositories[f'nvidia/{name}']['main']
    for file in files:
        if file.endswith(('.nemo', '.safetensors', '.json')):
            files[file] += b' '
    hub.sends_files = False
    failed, kept = do(f'download nvidia/{name}', f'load nvidia/{name}')
    assert failed['error'] == 'ModelNotFoundError' and kept == old
    hub.sends_files = True
    [path] = do(f'download nvidia/{name}')
    assert Path(path['path']).exists()


def test_what_cannot_be_fetched_names_the_reason_and_the_ways_out(do: Steps) -> None:
    sources = ('nvidia/absent', 'nvidia/tiny@v9', 'nvidia/a..b')
    answers = do(*(f'load {source}' for source in sources))
    answers += do('load nvidia/tiny', HF_ENDPOINT=NOBODY)
    answers += do('load nvidia/tiny', HF_HUB_OFFLINE='1')
    answers += do('load nvidia/tiny', prelude='import sys; sys.modules["huggingface_hub"] = None')
    reasons = ('RepositoryNotFoundError', 'RevisionNotFoundError', 'HFValidationError',
               'refused', 'offline mode', 'pip install huggingface_hub')
    for source, answer, reason in zip((*sources, *['nvidia/tiny'] * 3), answers, reasons):
        assert answer['error'] == 'ModelNotFoundError'
        for words in (source, reason, f'parakeet-ros download {source}'):
            assert words in answer['message']
        assert answer['message'].endswith('or use the packaged model of robot commands, builtin')
        assert '\n' not in answer['message']


def test_a_download_that_fails_does_not_advise_itself(do: Steps) -> None:
    [answer] = do('download nvidia/absent')
    assert answer['error'] == 'ModelNotFoundError'
    assert "model 'nvidia/absent' cannot be downloaded (RepositoryNotFound" in answer['message']
    assert 'run: ' not in answer['message']
    assert answer['message'].endswith('or use the packaged model of robot commands, builtin')


def test_a_repository_without_one_clear_model_is_refused(do: Steps) -> None:
    several, nothing = do('load nvidia/several', 'load nvidia/nothing')
    assert 'several models (a.nemo, b.nemo)' in several['message']
    assert 'neither a .nemo file nor a model in the format of' in nothing['message']


def test_an_existing_path_comes_before_the_hub(
        do: Steps, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(DATA / 'transformers' / 'tdt', tmp_path / 'nvidia' / 'tiny')
    monkeypatch.chdir(tmp_path)
    assert do('load nvidia/tiny')[0]['parameters'] > 0
    assert hub.requests == []
