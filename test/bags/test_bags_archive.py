"""An archive is done once, whatever happens meanwhile, and alike by one process or by many."""

from collections.abc import Callable
import json
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import time

from parakeet_ros.bags.errors import BagError
from parakeet_ros.bags.ledger import BLOCK_BYTES, BLOCKS, content_key, files_key, Ledger
from parakeet_ros.bags.reading import storage_files
from parakeet_ros.cli.bag_outputs import output_stems
from parakeet_ros.cli.main import main
import pytest
from recorder import audio, write_bag
from rosbags.rosbag2 import CompressionFormat, CompressionMode

TEXTS = ('please close the window', 'close the garage', 'can you see the phone')
N_BAGS = 4
ROOT = Path(__file__).parents[2]


def arguments(archive: Path, output: Path, *more: str) -> list[str]:
    """Return a command line that transcribes an archive."""
    return ['bag', 'transcribe', str(archive), '--model', 'builtin', '--device', 'cpu',
            '--format', 'json', '--output', str(output), *more]


def contents(folder: Path) -> dict[str, bytes]:
    """Return the outputs below a folder, without the records."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*.json')
            if '.parakeet' not in path.parts}


def written(folder: Path) -> dict[str, int]:
    """Return when each output was written."""
    return {name: (folder / name).stat().st_mtime_ns for name in contents(folder)}


@pytest.fixture(scope='module')
def archive(tmp_path_factory, spoken) -> Path:
    """Return a folder with some bags and one that is none."""
    folder = tmp_path_factory.mktemp('archive')
    for number in range(N_BAGS):
        write_bag(folder / f'day{number % 2}' / f'bag{number}',
                  list(audio(spoken(TEXTS[number % len(TEXTS)], pause_s=0.8 + 0.1 * number))))
    (folder / 'bad.mcap').write_text('no bag')
    return folder


@pytest.fixture(scope='module')
def reference(archive, tmp_path_factory) -> Path:
    """Return the outputs of one process."""
    output = tmp_path_factory.mktemp('reference')
    assert main(arguments(archive, output)) == 1, 'for one of them is none'
    return output


def test_outputs_lie_as_the_bags_do_and_bad_ones_are_listed(archive, reference):
    assert sorted(contents(reference)) == [
        'day0/bag0.json', 'day0/bag2.json', 'day1/bag1.json', 'day1/bag3.json']
    [failed] = (reference / '.parakeet/failed.jsonl').read_text().splitlines()
    assert json.loads(failed)['bag'] == str(archive / 'bad.mcap')
    record = json.loads((reference / '.parakeet/done/day0/bag0.json').read_text())
    assert record['outputs'] == ['day0/bag0.json'] and record['utterances'] == 1


def test_what_is_done_is_not_done_again_unless_that_is_asked_for(
        archive, reference, tmp_path, capsys):
    output = tmp_path / 'output'
    shutil.copytree(reference, output)
    before = written(output)
    assert main(arguments(archive, output)) == 1
    assert f'{N_BAGS} of {N_BAGS + 1} bags are done already' in capsys.readouterr().err
    assert written(output) == before
    assert main(arguments(archive, output, '--again')) == 1
    assert all(each > before[name] for name, each in written(output).items())
    assert contents(output) == contents(reference)


@pytest.mark.parametrize('change', ['output lost', 'bag recorded anew', 'record damaged'])
def test_what_has_changed_is_done_again_and_nothing_else(
        archive, reference, tmp_path, spoken, change):
    bags, output = tmp_path / 'bags', tmp_path / 'output'
    shutil.copytree(archive, bags)
    (bags / 'bad.mcap').unlink()
    assert main(arguments(bags, output)) == 0
    before = written(output)
    if change == 'output lost':
        (output / 'day0/bag0.json').unlink()
    elif change == 'bag recorded anew':
        shutil.rmtree(bags / 'day0/bag0')
        write_bag(bags / 'day0/bag0', list(audio(spoken(TEXTS[1]))))
    else:
        (output / '.parakeet/done/day0/bag0.json').write_text('{"key"')
    assert main(arguments(bags, output)) == 0
    after = written(output)
    assert {name for name in after if after[name] != before.get(name)} == {'day0/bag0.json'}
    assert not (output / '.parakeet/failed.jsonl').exists()


def test_other_settings_are_other_work(archive, reference, tmp_path):
    output = tmp_path / 'output'
    shutil.copytree(reference, output)
    before = written(output)
    assert main(arguments(archive, output, '--start-s', '0.1')) == 1
    assert all(each > before[name] for name, each in written(output).items())


@pytest.mark.parametrize('more', [('--again',), ('--start-s', '0.1')])
def test_a_bag_that_it_wrote_is_replaced_where_it_is_to_be_done_again(
        tmp_path, spoken, capsys, more):
    write_bag(tmp_path / 'bags/one', list(audio(spoken(TEXTS[0]))))
    line = [*arguments(tmp_path / 'bags', tmp_path / 'output'), '--format', 'bag']
    assert main(line) == 0
    output = tmp_path / 'output/one_speech'
    before = output.stat().st_ino
    assert main(line) == 0 and output.stat().st_ino == before, 'it is done'
    assert main([*line, *more]) == 0, capsys.readouterr().err
    assert output.stat().st_ino != before
    assert sorted(path.name for path in output.parent.iterdir()) == ['.parakeet', 'one_speech']
    shutil.rmtree(tmp_path / 'output/.parakeet')
    assert main([*line, *more]) == 1, "it may be somebody else's"
    assert 'exists already' in capsys.readouterr().err
    assert output.is_dir()


def kill_when(process: subprocess.Popen, is_time: Callable[[], bool]) -> None:
    """Kill a process as soon as something holds."""
    while process.poll() is None and not is_time():
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_run_that_was_killed_goes_on_where_it_was(archive, reference, tmp_path):
    output = tmp_path / 'output'
    with subprocess.Popen(
            [sys.executable, '-m', 'parakeet_ros', *arguments(archive, output)],
            cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        kill_when(process, lambda: bool(contents(output)))
    before = written(output)
    assert before, 'it has done something'
    records = list((output / '.parakeet/done').rglob('*.json'))
    assert main(arguments(archive, output)) == 1
    assert contents(output) == contents(reference)
    assert sum(each == before.get(name) for name, each in written(output).items()) >= len(records)


def test_a_bag_that_was_written_before_the_crash_is_not_in_the_way(archive, tmp_path, capsys):
    """A bag appears at once; what comes after, the facts in its record, may be lost."""
    command = ['bag', 'transcribe', str(archive / 'day0/bag0'), '--model', 'builtin',
               '--format', 'bag', '-o', str(tmp_path)]
    assert main(command) == 0
    path = tmp_path / '.parakeet/done/bag0.json'
    record = json.loads(path.read_text())
    path.write_text(json.dumps({name: record[name] for name in ('bag', 'key', 'outputs')}))
    assert main(command) == 0
    assert '1 of 1 bags are done already' in capsys.readouterr().err


def test_two_runs_do_not_write_to_one_folder(tmp_path):
    with Ledger(tmp_path, {}), pytest.raises(BagError, match='another process'):
        Ledger(tmp_path, {}).__enter__()
    with Ledger(tmp_path, {}):
        pass


def test_the_key_is_that_of_the_content_wherever_it_lies(archive, tmp_path):
    bag = archive / 'day0/bag0'
    shutil.copytree(bag, tmp_path / 'bag0')
    os.utime(storage_files(tmp_path / 'bag0')[0], (1, 1))
    assert content_key(bag) == content_key(tmp_path / 'bag0') != content_key(archive / 'day1/bag1')


def test_the_key_of_a_compressed_bag_is_that_of_its_content(tmp_path, spoken):
    bag = write_bag(tmp_path / 'bag', list(audio(spoken(TEXTS[0]))), mode=CompressionMode.FILE,
                    fmt=CompressionFormat.ZSTD)
    before = content_key(bag)
    (bag / 'bag.mcap.zstd').write_bytes(b'damaged')
    assert content_key(bag) != before


@pytest.mark.parametrize('size', [100, 3 * BLOCKS * BLOCK_BYTES])
@pytest.mark.parametrize('place', [0.0, 1.0])
def test_a_byte_at_either_end_changes_the_key_of_any_file(tmp_path, size, place):
    file = tmp_path / 'file'
    file.write_bytes(bytes(size))
    before = files_key([file])
    with file.open('r+b') as stream:
        stream.seek(round(place * (size - 1)))
        stream.write(b'x')
    assert files_key([file]) != before


def test_names_of_outputs_stay_when_the_archive_grows(tmp_path):
    for name in ('a/x.mcap', 'b/x.mcap', 'c.mcap'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    few, more = [tmp_path / 'a/x.mcap'], [tmp_path / name for name in ('a/x.mcap', 'b/x.mcap')]
    assert output_stems(more, [str(tmp_path)]) == {more[0]: 'a/x', more[1]: 'b/x'}
    assert output_stems(few, [str(tmp_path)]) == {few[0]: 'a/x'}
    assert output_stems(few, [str(few[0])]) == {few[0]: 'x'}
    with pytest.raises(BagError, match='have the same name'):
        output_stems(more, [str(each) for each in more])


def test_ray_needs_a_folder_for_the_outputs(archive, capsys):
    with pytest.raises(SystemExit):
        main(['bag', 'transcribe', str(archive), '--ray'])
    assert 'needs --output' in capsys.readouterr().err


@pytest.mark.ray
def test_workers_of_ray_write_what_one_process_writes(archive, reference, tmp_path):
    pytest.importorskip('ray', reason='Ray is not installed: pip install ray')
    assert main(arguments(archive, tmp_path, '--ray', '--workers', '2')) == 1
    assert contents(tmp_path) == contents(reference)
    assert (tmp_path / '.parakeet/failed.jsonl').read_bytes() == (
        reference / '.parakeet/failed.jsonl').read_bytes()
