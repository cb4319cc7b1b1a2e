"""Values of options for bags that could only fail later are refused as they are read."""

from __future__ import annotations

from parakeet_ros.cli.main import main
import pytest


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what is said of wrong usage."""
    with pytest.raises(SystemExit) as error:
        main(['bag', *arguments])
    assert error.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize('verb', ['report', 'tune'])
def test_a_folder_is_no_file_to_write(capsys, tmp_path, verb):
    said = refusal(capsys, verb, 'gone.mcap', '--output', str(tmp_path))
    assert f"'{tmp_path}' is a folder; give the name of a file" in said


@pytest.mark.parametrize('value', ['nan', 'inf', '-5', 'much'])
@pytest.mark.parametrize(('verb', 'option'), [
    ('report', '--audio-mb'), ('transcribe', '--start-s')])
def test_a_number_below_0_or_without_end_is_refused(capsys, verb, option, value):
    said = refusal(capsys, verb, 'gone.mcap', f'{option}={value}')
    assert f"argument {option}: '{value}' is not a number from 0 on" in said
