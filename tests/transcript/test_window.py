"""What is kept beside a conversation, and what a model sees of it."""

from datetime import UTC, datetime

import pytest

from common import limits
from common.documents import Data
from common.transcript import conversation
from common.transcript.conversation import title_of
from common.transcript.message import Message, Role
from common.transcript.window import for_model, with_message

NOW = datetime(2026, 2, 28, tzinfo=UTC)


def message(index: int, content: str = "text") -> Message:
    role: Role = "user" if index % 2 == 0 else "assistant"
    return Message(f"m{index}", role, content, NOW)


def window(count: int, content: str = "text") -> tuple[Data, ...]:
    recent: tuple[Data, ...] = ()
    for index in range(count):
        recent = with_message(recent, message(index, content))
    return recent


@pytest.mark.parametrize("extra", [0, 1])
def test_the_window_keeps_the_newest_messages(extra: int) -> None:
    recent = window(limits.RECENT_WINDOW_MESSAGES + extra)
    assert len(recent) == limits.RECENT_WINDOW_MESSAGES
    assert recent[0]["message_id"] == f"m{extra}"


def test_the_window_stays_below_its_size_whatever_is_said() -> None:
    recent = window(limits.RECENT_WINDOW_MESSAGES, "é" * limits.MAX_MESSAGE_CHARS)
    assert sum(len(entry["content"].encode()) for entry in recent) <= limits.RECENT_WINDOW_BYTES
    assert recent[-1]["message_id"] == f"m{limits.RECENT_WINDOW_MESSAGES - 1}"


def test_one_message_larger_than_the_window_is_still_kept() -> None:
    recent = with_message((), message(0, "x" * (limits.RECENT_WINDOW_BYTES + 1)))
    assert len(recent) == 1


def test_a_model_sees_the_newest_that_fit_oldest_first_beginning_with_the_user() -> None:
    recent = window(10, "x" * 400)
    seen = for_model(recent, max_messages=50, context_window=1_000, reserved=500)
    # 500 tokens hold 2,000 characters, that is five messages; the oldest of them is the assistant's and goes.
    assert [entry["role"] for entry in seen] == ["user", "assistant", "user", "assistant"]
    assert seen[-1]["content"] == recent[-1]["content"]


@pytest.mark.parametrize(("max_messages", "count"), [(0, 0), (1, 0), (2, 2), (3, 2), (50, 10)])
def test_a_model_sees_at_most_as_many_messages_as_the_settings_say(max_messages: int, count: int) -> None:
    assert len(for_model(window(10), max_messages=max_messages, context_window=100_000, reserved=0)) == count


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("  What did\nwe spend? ", "What did we spend?"),
        ("x" * conversation.TITLE_CHARS, "x" * conversation.TITLE_CHARS),
        ("x" * (conversation.TITLE_CHARS + 1), "x" * (conversation.TITLE_CHARS - 1) + "…"),
        ("word " * 40, ("word " * 16).strip() + "…"),
    ],
)
def test_a_title_is_the_first_message_cut_at_a_word(question: str, title: str) -> None:
    assert title_of(question) == title
