"""What a terminal would act on is seen instead."""

import unicodedata

import pytest

from local.terminal.neutral import neutral, neutral_line

HOSTILE = {
    "colour": "\x1b[31mred\x1b[0m",
    "clears the screen": "\x1b[2J\x1b[H",
    "sets the title": "\x1b]0;owned\x07",
    "hyperlink": "\x1b]8;;http://evil.example\x1b\\bank\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "device control": "\x1bP$q\x1b\\",
    "asks the terminal to answer": "\x1b[6n",
    "one-byte control sequence": "\x9b31m\x9d0;owned\x9c",
    "bidi override": "invoice\u202egpj.exe",
    "bidi isolate": "\u2067abc\u2069",
    "bidi mark": "a\u200fb\u061cc",
    "carriage return": "paid\rowed",
    "backspace": "safe\x08\x08\x08\x08evil",
    "bell": "\x07",
    "delete": "\x7f",
    "null": "a\x00b",
    "line separator": "a\u2028b\u2029c",
    "zero width": "a\u200bb\ufeffc\u2060d",
    "tags": "a\U000e0041b",
    "half a surrogate pair": "a\ud800b",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_is_left_that_a_terminal_acts_on(text: str) -> None:
    shown = neutral(text)
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    # It is seen that something was there.
    assert len(shown) == len(text)
    shown.encode()


def test_an_escape_is_shown_as_its_picture() -> None:
    assert neutral("\x1b[2J") == "\u241b[2J"
    assert neutral("\x9b2J\u202e\x7f") == "\ufffd2J\ufffd\u2421"


@pytest.mark.parametrize(
    "text",
    ["Größe 5 €", "日本語", "a\tb\nc", "\U0001f469\u200d\U0001f4bb at work", "\u0645\u06cc\u200c\u062e", "`t`"],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert neutral(text) == text


def test_line_ends_of_other_systems_are_line_ends() -> None:
    assert neutral("a\r\nb") == "a\nb"


def test_a_title_stays_on_its_line() -> None:
    assert neutral_line("two\nlines\t and \x1b[1A") == "two lines and \u241b[1A"


def test_anything_can_be_shown() -> None:
    assert neutral(None) == "None"
    assert neutral_line({"a": "\x1b"}) == "{'a': '\\x1b'}"
