"""When messages fall out of the window, and what stays in it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from common import limits
from common.transcript.conversation import Conversation
from common.transcript.message import Message
from common.transcript.summary import STEP, RollingSummary, SummaryPause, falling, most_shown, pause_of
from common.transcript.window import with_message

NOW = datetime(2026, 2, 28, tzinfo=UTC)
FULL = limits.MAX_HISTORY_MESSAGES


def talk(count: int) -> Conversation:
    made = Conversation("c", "u", "t", "demo", "analyst-1", NOW, NOW, message_count=count)
    for each in range(count):
        role = "user" if each % 2 == 0 else "assistant"
        made = replace(made, recent=with_message(made.recent, Message(f"m{each}", role, "text", NOW)))  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize(
    ("waiting", "unseen", "remembered", "count"),
    [
        (FULL + STEP - 3, 0, FULL, 0),
        (FULL + STEP - 2, 0, FULL, STEP),
        (FULL + STEP, 0, FULL, STEP + 2),
        (FULL, 19, FULL, 0),
        (FULL, 20, FULL, 20),
        (2 + 17, 0, 2, 0),
        (2 + 18, 0, 2, 20),
        (500, 400, 0, 0),
        (19, 0, 1, 19),
    ],
)
def test_messages_go_together_and_leave_what_is_to_be_remembered(
    waiting: int, unseen: int, remembered: int, count: int
) -> None:
    assert falling(waiting, unseen, remembered) == count


@pytest.mark.parametrize(
    ("waiting", "unseen", "remembered", "pause"),
    [
        (FULL + STEP - 2, 0, FULL, 4),
        (FULL + STEP + 2, 0, FULL, 4),
        (FULL + STEP + 3, 0, FULL, 5),
        (FULL + 2 * STEP - 2, 0, FULL, STEP),
        (500, 0, FULL, STEP),
        (FULL, 20, FULL, 4),
        (FULL, 30, FULL, 10),
        (2 + 28, 0, 2, 10),
    ],
)
def test_a_summary_that_failed_is_asked_for_again_the_later_the_longer_it_is_overdue(
    waiting: int, unseen: int, remembered: int, pause: int
) -> None:
    assert pause_of(waiting, unseen, remembered) == pause


def test_a_pause_ends_with_the_next_summary_and_one_of_another_beginning_is_none() -> None:
    paused = talk(60).remembering(SummaryPause(64, None))
    assert (paused.summary, paused.summary_due) == (None, 64)
    made = paused.remembering(RollingSummary("one", 39, None))
    assert (made.summary, made.summary_due) == ("one", None)
    assert made.remembering(SummaryPause(99, None)) is made


def test_the_kept_window_holds_all_that_a_model_may_see() -> None:
    assert most_shown(limits.MAX_HISTORY_MESSAGES) + 2 <= limits.RECENT_WINDOW_MESSAGES


def test_a_small_history_does_not_grow() -> None:
    assert [most_shown(each) for each in (0, 2, STEP - 1, STEP)] == [0, 2, STEP - 1, 2 * STEP]


@pytest.mark.parametrize("count", [0, 5, limits.RECENT_WINDOW_MESSAGES, limits.RECENT_WINDOW_MESSAGES + 31])
def test_what_no_summary_stands_for_is_the_rest_of_the_window(count: int) -> None:
    conversation = talk(count)
    assert conversation.unsummarised == conversation.recent
    for through in range(count):
        rest = replace(conversation, summary="s", through_sequence=through).unsummarised
        assert [each["message_id"] for each in rest] == [f"m{each}" for each in range(through + 1, count)][
            -limits.RECENT_WINDOW_MESSAGES :
        ]


def test_a_summary_of_another_beginning_changes_nothing() -> None:
    conversation = talk(60)
    first = conversation.remembering(RollingSummary("one", 39, None))
    assert (first.summary, first.through_sequence, first.summarised) == ("one", 39, 40)
    assert first.remembering(RollingSummary("late", 19, None)) is first
    assert first.remembering(RollingSummary("two", 59, 39)).summary == "two"
    assert first.remembering(None) is first
