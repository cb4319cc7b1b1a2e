"""Files are there whole or not at all, and nothing else is."""

from pathlib import Path
import stat

from parakeet_ros.whole_file import write_whole
import pytest


def test_a_name_may_be_as_long_as_the_file_system_lets_it(tmp_path: Path) -> None:
    target = tmp_path / 'new' / ('x' * 255)
    write_whole(target, 'first')
    write_whole(target, 'second')
    assert target.read_text() == 'second'
    assert list(target.parent.iterdir()) == [target]


def test_it_may_be_read_by_whom_other_files_may(tmp_path: Path) -> None:
    write_whole(tmp_path / 'whole', '')
    (tmp_path / 'plain').touch()
    assert stat.filemode((tmp_path / 'whole').stat().st_mode) == stat.filemode(
        (tmp_path / 'plain').stat().st_mode)


@pytest.mark.parametrize('error', [OSError, KeyboardInterrupt])
def test_nothing_is_left_where_it_cannot_be_written(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    (tmp_path / 'folder').mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / 'folder', 'text')

    def fail(part: Path, target: Path) -> None:
        raise error

    monkeypatch.setattr(Path, 'replace', fail)
    with pytest.raises(error):
        write_whole(tmp_path / 'file', 'text')
    assert [path.name for path in tmp_path.iterdir()] == ['folder']
