"""Arguments stand for recordings; no two results get one name."""

from __future__ import annotations

import os
from pathlib import Path

from parakeet_ros.cli.inputs import find_inputs, InputError
from parakeet_ros.recording import read_blocks
import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of empty files, the working directory."""
    for name in ('b.wav', 'a.FLAC', 'notes.txt', 'sub/c.mp3', 'sub/b.wav', '.hidden/d.wav',
                 '._e.wav', 'twice.wav', 'twice.flac'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*arguments: str) -> list[tuple[str, str]]:
    """Return paths and output names."""
    return [(each.path, str(each.output_stem)) for each in find_inputs(arguments)]


def test_a_folder_gives_its_sound_files_with_their_places(folder):
    assert found('.') == [
        ('a.FLAC', 'a'), ('b.wav', 'b'), ('sub/b.wav', 'sub/b'), ('sub/c.mp3', 'sub/c'),
        ('twice.flac', 'twice.flac'), ('twice.wav', 'twice.wav')]


def test_named_files_are_taken_as_they_are_and_once(folder):
    assert found('b.wav', 'notes.txt', 'gone.wav', '-', './b.wav') == [
        ('b.wav', 'b'), ('notes.txt', 'notes'), ('gone.wav', 'gone'), ('-', 'stdin')]


def test_names_that_are_the_same_matter_to_files_only(folder):
    inputs = find_inputs(['b.wav', 'sub/b.wav'], to_files=False)
    assert [each.path for each in inputs] == ['b.wav', 'sub/b.wav']


def test_what_cannot_be_looked_at_is_left_to_who_opens_it(folder, monkeypatch):
    scandir, is_file, refused = os.scandir, Path.is_file, set()

    def refuse(call):  # for root may read everything
        def guarded(path):
            if Path(path).name in refused:
                raise PermissionError(13, 'Permission denied', str(path))
            return call(path)
        return guarded

    monkeypatch.setattr(os, 'scandir', refuse(scandir))
    monkeypatch.setattr(Path, 'is_file', refuse(is_file))
    refused |= {'sub', 'b.wav', '.hidden'}
    assert [path for path, _ in found('.')] == ['a.FLAC', 'b.wav', 'sub', 'twice.flac',
                                                'twice.wav']
    assert found('sub', '[b].wav') == [('sub', 'sub'), ('b.wav', 'b')]
    with pytest.raises(PermissionError, match='sub'):
        read_blocks('sub')


def test_patterns_reach_into_folders(folder):
    assert [path for path, _ in found('**/*.mp3', '*.FLAC')] == ['sub/c.mp3', 'a.FLAC']


def test_a_name_that_looks_like_a_pattern_is_a_name(folder):
    (folder / 'talk[1].wav').touch()
    assert found('talk[1].wav') == [('talk[1].wav', 'talk[1]')]


@pytest.mark.parametrize('arguments, message', [
    ([''], "'' names no recording"),
    (['*.ogg'], r'no files fit \*\.ogg'),
    (['b.wav', 'sub/b.wav'], r'b\.wav and sub/b\.wav have the same name'),
    (['.hidden/empty'], r'no sound files in the folder'),
])
def test_what_cannot_be_done_is_refused(folder, arguments, message):
    (folder / '.hidden' / 'empty').mkdir()
    with pytest.raises(InputError, match=message):
        find_inputs(arguments)
