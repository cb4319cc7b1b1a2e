"""A report tells what was heard of a bag, and is harmless whatever the bag holds."""

from html.parser import HTMLParser
import json
from pathlib import Path
import re

from parakeet_ros.cli.main import main
import pytest
from recorder import audio, Entry, START_NS, write_bag
from robot_bag import AGAIN, HOSTILE, published, result, silence, string, TEXTS, write_robot_bag

# with these nobody is heard
NEW_SETTINGS = """
/**:
  ros__parameters:
    vad: {onset_db: 40.0, floor_min_db: -20.0}
"""


class Page(HTMLParser):
    """The parts of a report: cells of the table of utterances, JSON, tags with addresses."""

    def __init__(self, path: Path) -> None:
        """Read the file."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.text = path.read_text(encoding='utf-8')
        self._in = ''
        self.feed(self.text)

    def handle_starttag(self, tag, attrs):
        """Collect tags, and begin a row or a cell."""
        self.tags.append((tag, dict(attrs)))
        if tag == 'tr' and 'data-row' in dict(attrs):
            self.rows.append([])
        if tag == 'td' and self.rows:
            self.rows[-1].append('')

    def handle_data(self, data):
        """Go on with a cell."""
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data

    def texts(self, run: int) -> list[str]:
        """Return what a run heard, by row."""
        return [row[3 + run].strip() for row in self.rows]

    def json(self, name: str):
        """Return the JSON in a script element."""
        found = re.search(rf'id="{name}">(.*?)</script>', self.text, re.DOTALL)
        return json.loads(found[1])


def report(path: Path, output: Path, *options: str) -> Page:
    """Write the report of a bag and read it."""
    assert main(['bag', 'report', str(path), '--model', 'builtin', '-o', str(output),
                 *options]) == 0
    return Page(output)


@pytest.fixture(scope='module')
def plain(tmp_path_factory, spoken) -> Page:
    """Return the report of a bag that holds audio alone."""
    folder = tmp_path_factory.mktemp('plain')
    return report(write_robot_bag(folder / 'bag', spoken), folder / 'r.html')


@pytest.fixture(scope='module')
def full(tmp_path_factory, spoken) -> Page:
    """Return the report of a bag that holds what was published, heard twice more."""
    folder = tmp_path_factory.mktemp('full')
    settings = folder / '<b>new.yaml'
    settings.write_text(NEW_SETTINGS)
    path = write_robot_bag(folder / '<i>bag', spoken, published(), topic='/<img src=x>/audio')
    return report(path, folder / 'r.html', '--compare', str(settings))


def test_every_utterance_is_in_the_table_with_its_sound(plain):
    assert plain.texts(0) == [*TEXTS, AGAIN]
    sound = plain.json('audio')
    assert len(sound['clips']) == 4 and all(sound['clips'])
    assert sound['mime'] in ('audio/mpeg', 'audio/flac')


def test_gaps_are_on_the_time_line_at_their_place(plain):
    short, long = plain.json('data')['events']
    assert (short['kind'], long['kind']) == ('gap', 'gap')
    assert short['start_s'] == pytest.approx(0.38, abs=0.05)
    assert short['end_s'] - short['start_s'] == pytest.approx(0.2, abs=0.03)
    assert long['end_s'] - long['start_s'] == pytest.approx(5, abs=0.1)


def test_words_lie_within_their_utterances_and_those_within_the_track(plain):
    data = plain.json('data')
    heard = data['runs'][0]['utterances']
    assert len(heard) == 4
    for each in heard:
        assert each['start_s'] <= each['speech'][0] < each['speech'][1] <= each['end_s']
        assert each['words'], each
        assert all(each['start_s'] <= start <= end <= each['end_s'] + 0.1
                   for _, start, end, _ in each['words'])
    assert heard[-1]['end_s'] <= data['track']['n_frames'] * data['track']['frame_s']


def test_latency_of_a_bag_without_timings_says_that_it_is_this_machine(plain):
    assert 'Not measured on the robot' in plain.text
    assert '<svg class="histogram"' in plain.text


def test_nothing_on_the_page_has_an_address_elsewhere(plain, full):
    for page in plain, full:
        addresses = [value for _, attributes in page.tags for name, value in attributes.items()
                     if name in ('src', 'href', 'action', 'data', 'poster')]
        assert all(value.startswith(('#', 'data:')) for value in addresses), addresses
        assert not re.search(r'@import|url\(', page.text)
        assert "default-src 'none'" in page.text


def test_what_was_published_stands_beside_what_is_heard_again(full):
    names = [each['name'] for each in full.json('data')['runs']]
    assert names == ['on the robot', 're-run', '<b>new.yaml']
    assert full.texts(0) == [TEXTS[0], f'close {HOSTILE} garage', 'not heard', 'not heard']
    assert full.texts(1) == [*TEXTS, AGAIN]
    assert full.texts(2) == ['not heard'] * 4
    assert 'as the node measured it on the robot' in full.text
    assert [row[-1].strip() for row in full.rows[:2]] == ['641 ms', '642 ms']


def test_drops_and_damaged_messages_are_told(full):
    [drop] = [each for each in full.json('data')['events'] if each['kind'] == 'drop']
    assert drop['text'] == '2 utterances were dropped' and drop['start_s'] == pytest.approx(9, 0.1)
    assert '1 messages on speech/result are not what the node publishes' in full.text


def test_settings_that_differ_are_named(full):
    table = full.text[full.text.index('Settings that differ'):]
    assert '<code>vad.onset_db</code></th><td>7.0</td><td>40.0</td>' in table


def test_no_text_of_a_bag_becomes_markup(full):
    tags = [tag for tag, _ in full.tags]
    assert tags.count('script') == 3 and 'img' not in tags and 'i' in tags
    assert [attributes.get('class') for tag, attributes in full.tags if tag == 'i'] == [
        f'key {name}' for name in
        ('level', 'floor', 'onset', 'offset', 'speech', 'gap', 'drop', 'different')]
    assert 'harmed' in full.text


def test_two_runs_that_differ_are_marked_and_counted(tmp_path, spoken):
    entries = [*audio(spoken(*TEXTS)), string('/speech/result', 3.2, result(
        1, 1.0, 2.3, 'Please open, the window!'))]
    page = report(write_bag(tmp_path / 'bag', entries), tmp_path / 'r.html')
    row = page.text[page.text.index('id="row0"'):page.text.index('id="row1"')]
    assert re.findall('<mark>(.*?)</mark>', row) == ['open,', 'close']
    assert '3 utterances; in 3 of them on the robot and re-run heard different words' in page.text


def test_without_results_the_bare_texts_are_beside_what_is_heard_again(tmp_path, spoken):
    entries = [*audio(spoken(*TEXTS)), string('/speech/text', 2.9, TEXTS[0])]
    page = report(write_bag(tmp_path / 'bag', entries), tmp_path / 'r.html', '--no-audio')
    assert page.texts(0) == [TEXTS[0], 'not heard', 'not heard']
    assert page.json('audio')['clips'] == [None] * 3


def test_what_the_node_published_is_read_as_the_node_writes_it(tmp_path, spoken):
    """`bag transcribe` writes the node's messages, `speech/timing` among them."""
    bag = write_robot_bag(tmp_path / 'bag', spoken, topic='/robot1/audio')
    assert main(['bag', 'transcribe', str(bag), '--model', 'builtin', '--format', 'copy',
                 '--output', str(tmp_path)]) == 0
    page = report(tmp_path / 'bag_speech', tmp_path / 'r.html', '--no-audio')
    first, second = page.json('data')['runs']
    assert [each['text'] for each in first['utterances']] == [*TEXTS, AGAIN]
    for told, again in zip(first['utterances'], second['utterances'], strict=True):
        assert {**told, 'words': ...} == {**again, 'words': ...}
        for (word, *figures), (same, *others) in zip(
                told['words'], again['words'], strict=True):
            # the node rounds its figures, and the page does so again
            assert word == same and figures == pytest.approx(others, abs=0.011)
    assert 'as the node measured it on the robot' in page.text
    assert 'in 0 of them' in page.text


def test_a_recording_that_was_played_twice_is_shown_twice(tmp_path, spoken):
    once = list(audio(spoken(TEXTS[1])))
    shift_ns = once[-1].receive_ns - START_NS
    again = [Entry(each.topic, each.type_name, each.receive_ns + shift_ns, each.message)
             for each in once[1:]]
    page = report(write_bag(tmp_path / 'bag', once + again), tmp_path / 'r.html')
    data = page.json('data')
    assert page.texts(0) == [TEXTS[1]] * 2
    first, second = data['rows']
    assert second['start_s'] > first['end_s'] and data['events'][0]['kind'] == 'restart'
    assert len(data['stretches']) == 2


def test_what_is_wrong_with_the_audio_stands_first(tmp_path, spoken, capsys):
    lossy = list(audio(spoken('close the garage')))
    write_bag(tmp_path / 'bag', lossy[:20] + lossy[30:])
    page = report(tmp_path / 'bag', tmp_path / 'r.html')
    told = 'audio is missing on /audio in 1 places'
    assert told in page.text.partition('id="timeline"')[0]
    assert told in capsys.readouterr().err


def test_a_quiet_bag_has_a_report_without_utterances(tmp_path):
    page = report(write_bag(tmp_path / 'bag', list(audio(silence(2)))), tmp_path / 'r.html')
    assert not page.rows and 'Nothing was heard' in page.text


@pytest.mark.parametrize('topics', [(), ('/left/audio', '/right/audio')])
def test_without_one_audio_topic_the_topics_are_named(tmp_path, capsys, topics):
    entries = [string('/speech/text', 0, 'hello')]
    for topic in topics:
        entries += audio(silence(0.5), topic)
    path = write_bag(tmp_path / 'bag', entries)
    assert main(['bag', 'report', str(path), '--model', 'builtin']) == 1
    error = capsys.readouterr().err
    assert all(topic in error for topic in topics or ('/speech/text',))
    assert not list(tmp_path.glob('*.html'))


@pytest.mark.parametrize('change', [
    {'confidence': float('nan')}, {'words': [{}]}, {'start': {'sec': 'x'}}, {'timings': 3},
    {'start': {'sec': 1e308, 'nanosec': 1e308}}, {'error': 'half a character: \ud800'}])
def test_results_that_no_node_publishes_do_no_harm(tmp_path, change):
    entries = [*audio(silence(1)), string('/speech/result', 0.5, result(
        1, 0.1, 0.4, 'go', **change)), string('/speech/result', 0.6, '[' * 100_000)]
    page = report(write_bag(tmp_path / 'bag', entries), tmp_path / 'r.html')
    assert page.json('data')['runs'][0]['name'] in ('on the robot', 're-run')
