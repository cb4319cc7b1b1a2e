"""One publisher at a time, and which one."""

from hypothesis import given
from hypothesis import strategies as st
from parakeet_ros.message_info import Senders
from parakeet_ros.talker import PAUSE_NS, SILENT_MESSAGES, Talker, Verdict

SAME, NEW, REFUSED = Verdict.SAME, Verdict.NEW, Verdict.REFUSED


def judge(names: str, talker: Talker | None = None) -> list[Verdict]:
    """Return the verdicts on messages of publishers named by one letter; a space is a pause."""
    talker = talker or Talker()
    verdicts, now_ns = [], 10**18
    for name in names:
        now_ns += PAUSE_NS if name == ' ' else 0
        if name != ' ':
            now_ns += PAUSE_NS // 10
            verdicts.append(talker.judge(name, now_ns))
    return verdicts


def test_one_publisher_is_always_heard() -> None:
    assert judge('aaaa') == [NEW, SAME, SAME, SAME]
    assert judge(3 * SILENT_MESSAGES * 'a')[1:] == (3 * SILENT_MESSAGES - 1) * [SAME]


def test_a_driver_that_is_started_again_is_heard_from_its_first_message() -> None:
    assert judge('aaabbbccc') == 3 * [NEW, SAME, SAME]


def test_two_that_speak_in_turn_are_refused_from_the_first_return_on() -> None:
    assert judge('aababbaab') == [NEW, SAME, NEW] + 6 * [REFUSED]


def test_the_one_that_is_left_is_heard_when_the_other_has_been_silent_for_long() -> None:
    verdicts = judge('aaba' + (SILENT_MESSAGES + 1) * 'b')
    assert verdicts[3:] == SILENT_MESSAGES * [REFUSED] + [NEW, SAME]


def test_the_one_that_is_left_is_heard_at_once_when_the_graph_says_so() -> None:
    talker = Talker()
    assert judge('aba', talker)[-1] is REFUSED
    talker.settle()
    assert judge('aaa', talker) == [NEW, SAME, SAME]
    assert judge('b', talker) == [NEW]


def test_one_that_returns_after_a_long_silence_takes_over_again() -> None:
    assert judge('a' + SILENT_MESSAGES * 'b' + 'aa')[-2:] == [NEW, SAME]


def test_publishers_that_take_turns_are_heard_for_ever() -> None:
    assert judge(5 * 'aaa bbb ') == 10 * [NEW, SAME, SAME]
    assert judge(3 * 'aaa ') == [NEW] + 8 * [SAME], 'one that pauses goes on'


def test_after_a_pause_two_at_once_are_refused_as_before_it() -> None:
    assert judge('aaa bbaab aab') == [
        NEW, SAME, SAME, NEW, SAME, NEW, SAME, REFUSED, NEW, SAME, NEW]
    assert judge('aba bab')[2:] == [REFUSED, NEW, NEW, REFUSED]
    assert judge('aba bbb')[2:] == [REFUSED, NEW, SAME, SAME]


def senders_of(numbers: list[int]) -> list[object]:
    """Return who is taken for the publisher of messages with these numbers."""
    senders = Senders()
    return [senders.of({'publication_sequence_number': number}) for number in numbers]


def test_a_message_is_taken_for_the_next_of_whom_it_follows_most_closely() -> None:
    assert senders_of([7, 8, 9, 12]) == [0, 0, 0, 0]
    assert senders_of([500, 501, 1, 2, 502, 3, 505]) == [0, 0, 1, 1, 0, 1, 0]
    assert len(set(senders_of([5, 5, 6, 6, 7, 7]))) == 2, 'two that count alike are two'


def test_a_driver_that_was_started_again_passes_the_numbers_of_the_old_one() -> None:
    later = [*range(1, 90), *range(95, 140)]  # some were lost, just where the old one ended
    assert set(senders_of([*range(80, 94), *later])[14:]) == {1}


def test_a_name_goes_before_a_number_and_without_both_nothing_is_known() -> None:
    senders = Senders()
    both = {'publisher_gid': {'data': b'me'}, 'publication_sequence_number': 1}
    assert senders.of(both) == b'me'
    assert senders.of({}) is senders.of({'publication_sequence_number': None}) is None


@given(st.text('abc ', max_size=300))
def test_messages_of_two_publishers_are_never_taken_for_one_stream(names: str) -> None:
    last = ''
    for name, verdict in zip(names.replace(' ', ''), judge(names), strict=True):
        assert verdict is not SAME or name == last
        if verdict is not REFUSED:
            last = name
