"""`parakeet-ros bag transcribe`, from arguments to output and exit status."""

import json
import os
from pathlib import Path
import shutil
import subprocess
import sys

from parakeet_ros.bags.finding import find_bags
from parakeet_ros.bags.reading import open_bag, storage_files
from parakeet_ros.bags.report.build import choose_topic
from parakeet_ros.bags.settings import read_parameters
from parakeet_ros.cli.bag_job import BagJob
from parakeet_ros.cli.bag_work import here, Task
from parakeet_ros.cli.main import main
import pytest
from recorder import audio, typestore, write_bag
from robot_bag import silence, string
from rosbags.rosbag2 import Writer

TEXTS = ['please close the window', 'close the garage']
ROOT = Path(__file__).parents[2]


def run(*arguments: object) -> int:
    """Run the verb in this process with the built-in model."""
    return main(['bag', 'transcribe', '--model', 'builtin', '--device', 'cpu',
                 *map(str, arguments)])


def words(text: str) -> list[str]:
    """Return the texts of a table of times and texts."""
    return [line[9:].strip() for line in text.splitlines()]


def outputs(folder: Path) -> list[str]:
    """Return the files in a folder of outputs and below, without the records."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*.*')
                  if path.is_file() and '.parakeet' not in path.parts)


@pytest.fixture(scope='module')
def archive(tmp_path_factory, spoken) -> Path:
    """Return a folder with a mcap bag, a sqlite3 bag with two microphones, and a broken file."""
    folder = tmp_path_factory.mktemp('archive')
    waveform = spoken(*TEXTS)
    write_bag(folder / 'one', list(audio(waveform)))
    write_bag(folder / 'day' / 'two', [
        *audio(spoken(TEXTS[0]), '/front/audio'), *audio(spoken(TEXTS[1]), '/rear/audio')],
        'sqlite3')
    (folder / 'bad.mcap').write_text('not a bag')
    return folder


def test_a_bag_becomes_a_line_for_each_utterance_at_its_time(archive, capsys):
    assert run(archive / 'one') == 0
    out, err = capsys.readouterr()
    assert words(out) == TEXTS and err == ''
    assert 0.5 < float(out.split()[0]) < 1.0


def test_a_bad_bag_is_named_and_the_others_go_on(archive, capsys, tmp_path):
    assert run(archive, '-f', 'json', '-o', tmp_path) == 1
    err = capsys.readouterr().err
    assert 'bad.mcap' in err and '1 of 3 bags failed' in err and 'Traceback' not in err
    assert outputs(tmp_path) == [
        'day/two.front.audio.json', 'day/two.rear.audio.json', 'one.json']
    [line] = (tmp_path / 'day/two.rear.audio.json').read_text().splitlines()
    found = json.loads(line)
    assert (found['topic'], found['text'], found['id']) == ('/rear/audio', TEXTS[1], 1)
    assert found['bag'] == str(archive / 'day' / 'two') and found['end_reason'] == 'pause'


def test_output_does_not_depend_on_the_speed_of_the_machine(archive, tmp_path):
    for name in 'ab':
        assert run(archive / 'one', '-f', 'json', '-o', tmp_path / name) == 0
    assert (tmp_path / 'a/one.json').read_bytes() == (tmp_path / 'b/one.json').read_bytes()


def test_topics_and_an_offset_can_be_chosen(archive, capsys):
    assert run(archive / 'day/two', '--topic', '/rear/audio') == 0
    assert words(capsys.readouterr().out) == [TEXTS[1]]
    assert run(archive / 'one', '--start-s', 2.6) == 0
    assert words(capsys.readouterr().out) == [TEXTS[1]]
    assert run(archive / 'one', '--topic', '/rear/audio') == 1
    assert 'there is audio on /audio' in capsys.readouterr().err


def test_each_microphone_has_an_output_of_its_own_whatever_is_chosen(archive, tmp_path, capsys):
    two = archive / 'day/two'
    for topic in ('/front/audio', '/rear/audio'):
        assert run(two, '--topic', topic, '-o', tmp_path) == 0
    assert outputs(tmp_path) == ['two.front.audio.txt', 'two.rear.audio.txt']
    for form in ('srt', 'vtt'):
        with pytest.raises(SystemExit) as ended:
            run(two, '-f', form)
        err = capsys.readouterr().err
        assert ended.value.code == 2 and '--output' in err and '--topic' in err
        assert run(two, '-f', form, '--topic', '/rear/audio') == 0
    capsys.readouterr()
    assert run(two, '-f', 'ctm') == 0
    names = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert names == {'two.front.audio', 'two.rear.audio'}


def test_recordings_that_are_named_by_date_are_bags_by_themselves(archive, tmp_path, capsys):
    [file] = storage_files(archive / 'one')
    for name in ('rec_20261128', 'rec_20261129', 'run_2026.11.28', 'run_2026.11.29'):
        shutil.copy(file, tmp_path / f'{name}.mcap')
    assert len(find_bags([str(tmp_path)])) == 4
    (tmp_path / 'days').mkdir()
    for name in ('rec_093000', 'rec_101500'):
        shutil.copy(file, tmp_path / 'days' / f'{name}.mcap')
    assert len(find_bags([str(tmp_path / 'days')])) == 2
    shutil.copytree(archive / 'one', tmp_path / 'run_2026.11.30')
    assert run(tmp_path / 'run_2026.11.30', '-f', 'ctm') == 0
    assert capsys.readouterr().out.startswith('run_2026.11.30 1 ')


def test_a_name_that_is_no_text_stops_no_archive(archive, tmp_path):
    [file] = storage_files(archive / 'one')
    shutil.copy(file, os.fsencode(tmp_path) + b'/caf\xe9.mcap')
    shutil.copy(file, tmp_path / 'good.mcap')
    assert run(tmp_path, '-o', tmp_path / 'out') == 0
    assert len(outputs(tmp_path / 'out')) == 2


def test_subtitles_have_the_times_of_the_bag(archive, capsys):
    assert run(archive / 'one', '-f', 'srt') == 0
    out = capsys.readouterr().out
    assert TEXTS[0] in out and out.startswith('1\n00:00:01,') and '\n2\n' in out


@pytest.mark.parametrize('form', ['bag', 'copy'])
@pytest.mark.parametrize(('name', 'prefixes'), [
    ('one', {'/speech': TEXTS}),
    ('day/two', {'/front/speech': TEXTS[:1], '/rear/speech': TEXTS[1:]})])
def test_a_bag_of_speech_has_the_topics_of_the_node(archive, tmp_path, form, name, prefixes):
    assert run(archive / name, '-f', form, '-o', tmp_path) == 0
    [written] = tmp_path.glob('[!.]*')
    [file], [source] = storage_files(written), storage_files(archive / name)
    assert file.suffix == source.suffix
    with open_bag(written) as bag, open_bag(archive / name) as before:
        assert bag.audio_topics == (before.audio_topics if form == 'copy' else [])
        for prefix, texts in prefixes.items():
            text, result, timing = (list(bag.messages({f'{prefix}/{topic}'})) for topic in (
                'text', 'result', 'timing'))
            assert [m.message.data for m in text] == texts
            results = [json.loads(m.message.data) for m in result]
            assert [r['text'] for r in results] == texts
            assert all(r['timings']['rtfx'] > 0 for r in results)
            for r, m in zip(results, timing, strict=True):
                [status] = m.message.status
                assert m.stamp_ns == r['start']['sec'] * 10**9 + r['start']['nanosec']
                assert status.name.endswith('utterance') and status.message == r['text']
                assert {v.key: v.value for v in status.values}['id'] == str(r['id'])
                assert m.receive_ns > m.stamp_ns, 'when the utterance had ended'
        if form == 'copy':
            topics = before.topics.keys()
            assert [(c.topic, t, bytes(d)) for c, t, d in bag.raw_messages(topics)] == [
                (c.topic, t, bytes(d)) for c, t, d in before.raw_messages()]


def test_what_was_recorded_of_speech_is_replaced_in_a_copy(tmp_path, spoken):
    write_bag(tmp_path / 'bag', [*audio(spoken(TEXTS[0])), string('/speech/text', 0, 'old')])
    assert run(tmp_path / 'bag', '-f', 'copy') == 0
    with open_bag(tmp_path / 'bag_speech') as bag:
        assert [m.message.data for m in bag.messages({'/speech/text'})] == TEXTS[:1]


def test_where_nothing_is_heard_any_more_no_old_text_stays_in_a_copy(tmp_path):
    write_bag(tmp_path / 'bag', [
        *audio(silence(2.0)), string('/speech/text', 1, 'old'), string('/chatter', 1, 'kept')])
    assert run(tmp_path / 'bag', '-f', 'copy') == 0
    with open_bag(tmp_path / 'bag_speech') as bag:
        assert '/speech/text' not in bag.topics
        assert [m.message.data for m in bag.messages({'/chatter'})] == ['kept']


@pytest.mark.parametrize(('topics', 'published', 'names'), [
    (['/robot1/mic/audio_stamped'], ['/robot1/speech'], {'/robot1/speech': 'robot1/asr'}),
    (['/mic/audio'], ['/speech', '/other/speech'], {'/speech': 'asr'}),
    (['/mic/audio'], [], {'/mic/speech': 'mic/asr'}),
    (['/audio'], ['/speech', '/arm/speech'], {'/speech': 'asr'}),
    (['/r1/audio'], ['/r2/speech'], {'/r1/speech': 'r1/asr'}),
    (['/r1/audio'], ['/r1/speech', '/r1/asr2/speech'], {'/r1/speech': 'r1/asr'}),
    (['/front/audio_stamped', '/rear/audio_stamped'], ['/front/speech'],
     {'/front/speech': 'asr: front', '/rear/speech': 'asr: rear'}),
    (['/r2/front/audio', '/sounds'], [],
     {'/r2/front/speech': 'r2/asr: front', '/sounds/speech': 'asr: sounds'})])
def test_speech_is_written_where_the_node_had_it(
        topics, published, names, tmp_path, spoken):
    sound = spoken(TEXTS[0])
    write_bag(tmp_path / 'bag', [
        *(entry for topic in topics for entry in audio(sound, topic)),
        *(string(f'{prefix}/result', 1, '{}') for prefix in published)])
    assert run(tmp_path / 'bag', '-f', 'bag') == 0
    with open_bag(tmp_path / 'bag_speech') as bag:
        assert {topic.rpartition('/')[0] for topic in bag.topics} == set(names)
        for prefix, name in names.items():
            [timing] = bag.messages({f'{prefix}/timing'})
            assert timing.message.status[0].name == f'{name}: utterance'


def test_nothing_is_written_over_and_nothing_half_written_stays(archive, tmp_path, capsys):
    (tmp_path / 'one_speech').mkdir()
    assert run(archive / 'one', '-f', 'bag', '-o', tmp_path) == 1
    assert 'exists already' in capsys.readouterr().err
    assert [path.name for path in tmp_path.glob('[!.]*')] == ['one_speech']


def test_of_a_truncated_bag_the_beginning_is_transcribed_with_a_warning(
        archive, tmp_path, capsys):
    [file] = storage_files(archive / 'one')
    (tmp_path / 'cut.mcap').write_bytes(file.read_bytes()[:int(0.6 * file.stat().st_size)])
    assert run(tmp_path / 'cut.mcap') == 0
    out, err = capsys.readouterr()
    assert words(out)[:1] == TEXTS[:1]
    assert 'warning' in err and 'cut.mcap breaks off after' in err


@pytest.mark.parametrize('coding', ['mp3', None])
def test_a_bag_without_audio_that_can_be_heard_fails_with_the_reason(
        tmp_path, spoken, capsys, coding):
    entries = list(audio(spoken(TEXTS[0])))
    if coding:
        entries[0].message.coding_format = coding
        write_bag(tmp_path / 'bag', entries)
    else:  # the driver was there, and sent nothing
        with Writer(tmp_path / 'bag', version=8) as writer:
            writer.add_connection('/audio', entries[1].type_name, typestore=typestore())
    assert run(tmp_path / 'bag') == 1
    out, err = capsys.readouterr()
    assert out == '' and ('format:=wave' if coding else 'no message on /audio') in err
    assert run(tmp_path / 'bag', '--start-s', 60) == 0, 'what is left out is not missed'


class Breaking:
    """A bag that breaks whoever asks what it is."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        raise ZeroDivisionError('nobody has thought of this')

    def __str__(self) -> str:
        return str(self._path)


def test_whatever_happens_to_a_bag_is_its_own_affair(archive):
    parameters = read_parameters(None, model='builtin', device='cpu')
    tasks = [Task(Breaking(archive / 'one'), None), Task(archive / 'one', None)]
    (_, broken), (_, outcome) = here(
        tasks, BagJob('txt', parameters, 'builtin'), lambda task: None, lambda audio_s: None)
    assert broken == f'{archive / "one"}: ZeroDivisionError: nobody has thought of this'
    assert words(outcome.texts['/audio']) == TEXTS


def test_of_twin_topics_the_stamped_one_is_heard(tmp_path, spoken, capsys):
    waveform = spoken(TEXTS[0])
    write_bag(tmp_path / 'bag', [
        *audio(waveform, '/audio/audio', kind='AudioData'),
        *audio(waveform, '/audio/audio_stamped', info=False)])
    assert run(tmp_path / 'bag') == 0
    assert words(capsys.readouterr().out) == TEXTS[:1]
    assert run(tmp_path / 'bag', '-f', 'bag') == 0
    with open_bag(tmp_path / 'bag') as bag, open_bag(tmp_path / 'bag_speech') as written:
        assert bag.microphones == [choose_topic(bag, None)] == ['/audio/audio_stamped']
        assert '/speech/text' in written.topics, 'as from a node whose audio is remapped'


def test_bags_are_found_in_folders_once_and_our_own_are_not(archive, tmp_path):
    work = tmp_path / 'work'
    shutil.copytree(archive, work)
    (work / 'one_speech').mkdir()
    shutil.copy(storage_files(work / 'one')[0], work / 'one_speech')
    (work / 'lost').mkdir()
    (work / 'first_lost').mkdir()
    for number in range(3):
        (work / 'lost' / f'lost_{number}.db3').write_text('part of one without metadata')
        (work / 'first_lost' / f'talk_{number + 8}.db3').write_text('part of one')
    found = find_bags([str(work), str(work / 'one')])
    assert [str(path.relative_to(work)) for path in found] == [
        'bad.mcap', 'day/two', 'first_lost', 'lost', 'one']
    assert find_bags([str(work / '*_speech')]) == [work / 'one_speech'], 'if it is asked for'


def test_links_lead_to_no_bag_twice(archive, tmp_path):
    shutil.copytree(archive, tmp_path / 'work')
    shutil.copytree(archive / 'one', tmp_path / 'elsewhere')
    for name, target in (('again', 'work'), ('latest', 'work/one'), ('day/latest', 'work/one'),
                         ('bad_too.mcap', 'work/bad.mcap'), ('linked', 'elsewhere')):
        (tmp_path / 'work' / name).symlink_to(tmp_path / target)
    found = find_bags([str(tmp_path / 'work')])
    assert [str(path.relative_to(tmp_path / 'work')) for path in found] == [
        'bad.mcap', 'day/two', 'one', 'linked']


def test_a_folder_that_may_not_be_read_is_named_and_the_others_go_on(
        archive, tmp_path, capsys, monkeypatch):
    shutil.copytree(archive / 'one', tmp_path / 'one')
    (tmp_path / 'lost+found').mkdir()
    iterdir = Path.iterdir

    def guarded(path: Path):  # for root may read everything
        if path.name == 'lost+found':
            raise PermissionError(13, 'Permission denied', str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, 'iterdir', guarded)
    too_long = tmp_path / f'{300 * "x"}.mcap'
    assert run(tmp_path, tmp_path / 'lost+found', too_long) == 1
    out, err = capsys.readouterr()
    assert TEXTS == [line for line in words(out) if line in TEXTS]
    assert f'File name too long: {str(too_long)!r}' in err
    assert f'Permission denied: {str(tmp_path / "lost+found")!r}' in err


@pytest.mark.parametrize('form', ['txt', 'bag'])
def test_what_cannot_be_written_is_a_failure_and_the_others_go_on(archive, tmp_path, capsys, form):
    long_name = 252 * 'x'  # with a suffix it is too long
    shutil.copytree(archive / 'one', tmp_path / 'in' / long_name)
    shutil.copytree(archive / 'one', tmp_path / 'in' / 'y')
    assert run(tmp_path / 'in', '-f', form, '-o', tmp_path / 'out') == 1
    assert long_name in capsys.readouterr().err
    assert [path.name for path in (tmp_path / 'out').glob('[!.]*')] == [
        {'txt': 'y.txt', 'bag': 'y_speech'}[form]]


@pytest.mark.parametrize(('arguments', 'named'), [
    (['{bag}', '--config', '{bag}/metadata.yaml'], 'ros__parameters'),
    (['{bag}', '{bag}/one.mcap', '-f', 'srt'], 'need --output'),
    (['{empty}'], 'no bags in the folder'), (['{bag}', '-f', 'mp3'], 'invalid choice'),
    ([''], "'' names no bag")])
def test_wrong_usage_is_said(archive, tmp_path, capsys, arguments, named):
    with pytest.raises(SystemExit) as exit_:
        run(*[each.format(bag=archive / 'one', empty=tmp_path) for each in arguments])
    assert exit_.value.code == 2
    assert named in capsys.readouterr().err


def test_it_needs_no_ros_and_says_what_to_install_where_the_library_is_missing(
        archive, tmp_path):
    for name in ('rclpy', 'std_msgs', 'audio_common_msgs', 'builtin_interfaces'):
        (tmp_path / name).mkdir()
        (tmp_path / name / '__init__.py').write_text('raise ImportError("there is no ROS here")')
    command = [sys.executable, '-m', 'parakeet_ros', 'bag', 'transcribe', '--model', 'builtin',
               str(archive / 'one')]
    environment = {**os.environ, 'PYTHONPATH': f'{tmp_path}{os.pathsep}{ROOT}'}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path,
                            check=False)
    assert words(result.stdout) == TEXTS, result.stderr
    (tmp_path / 'rosbags').mkdir()
    (tmp_path / 'rosbags' / '__init__.py').write_text('raise ImportError("no rosbags")')
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path,
                            check=False)
    assert result.returncode == 1 and 'pip install rosbags' in result.stderr
    assert 'Traceback' not in result.stderr
