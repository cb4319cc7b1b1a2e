"""One publisher at a time, and which one."""

from hypothesis import given
from hypothesis import strategies as st
from parakeet_ros.talker import SILENT_MESSAGES, Talker, Verdict

SAME, NEW, REFUSED = Verdict.SAME, Verdict.NEW, Verdict.REFUSED


def judge(names: str, talker: Talker | None = None) -> list[Verdict]:
    """Return the verdicts on messages from publishers with names of one letter."""
    talker = talker or Talker()
    return [talker.judge(name) for name in names]


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


@given(st.text('abc', max_size=300))
def test_messages_of_two_publishers_are_never_taken_for_one_stream(names: str) -> None:
    last = ''
    for name, verdict in zip(names, judge(names), strict=True):
        assert verdict is not SAME or name == last
        if verdict is not REFUSED:
            last = name
