"""Marks of citations: those that were offered stay, others go, and code stays as it is, however a stream is cut."""

import random

import pytest

from common.citations.marks import MarkFilter, numbers_in, remove_marks

OFFERED = {1, 2, 12}
CASES = {
    "Tags are mandatory [1].": "Tags are mandatory [1].",
    "Tags are mandatory[2], always [9].": "Tags are mandatory[2], always.",
    "Both [1][7] say so [1, 7] and [1, 2]; [7, 9].": "Both [1] say so [1] and [1][2];.",
    "All of [1-3] and [^1] and [ 2 ].": "All of [1][2] and [1] and [2].",
    "Escaped \\[7\\] and \\[1\\].": "Escaped and [1].",
    "[7] begins, [12] stays, [123] goes.": " begins, [12] stays, goes.",
    "Link [7](https://example.com).": "Link(https://example.com).",
    "In `a[7]` code, `b` [7] not.": "In `a[7]` code, `b` not.",
    "A ` is open [7], and stays open.": "A ` is open, and stays open.",
    "Two ``x ` [7] y`` and [7].": "Two ``x ` [7] y`` and.",
    "Over\nlines `of\ncode [7]` and [7].": "Over\nlines `of\ncode [7]` and.",
    "Open ` here\n\nnext [7] paragraph ` ends.": "Open ` here\n\nnext paragraph ` ends.",
    "- item ` open [7]\n- next ` item": "- item ` open\n- next ` item",
    "```sql\nSELECT a[7], b[1]\n```\nand [7].": "```sql\nSELECT a[7], b[1]\n```\nand.",
    "~~~\nx[7]\n```\ny[7]\n~~~\n[7]": "~~~\nx[7]\n```\ny[7]\n~~~\n",
    "- list\n  ```\n  z[7]\n  ```\n  then [7]": "- list\n  ```\n  z[7]\n  ```\n  then",
    "````\n```\nq[7]\n````\nand [7]": "````\n```\nq[7]\n````\nand",
    "``` not `fence [7]\nx [7]": "``` not `fence\nx",
    "| a | b [7] |\n|---|---|\n| `c[7]` | [1] |": "| a | b |\n|---|---|\n| `c[7]` | [1] |",
    "From [1,200, 1,500] in [2024], [x] and []": "From [1,200, 1,500] in [2024], [x] and []",
    "Ends in [": "Ends in [",
    "Ends in [7": "Ends in [7",
    "Ends in ` [7]": "Ends in `",
    " spaces at the end  ": " spaces at the end  ",
}


def kept(number: int, _before: str = "") -> bool:
    return number in OFFERED


@pytest.mark.parametrize(("text", "expected"), CASES.items(), ids=range(len(CASES)))
def test_only_what_was_offered_stays_however_the_text_is_cut(text: str, expected: str) -> None:
    assert remove_marks(text, kept) == expected
    for seed in range(60):
        pieces, rest, chance = [], text, random.Random(seed)
        while rest:
            size = 1 if seed == 0 else chance.randint(1, 9)
            pieces.append(rest[:size])
            rest = rest[size:]
        marks = MarkFilter(kept)
        assert "".join([*map(marks.feed, pieces), marks.close()]) == expected


def test_a_hostile_text_is_read_in_linear_time_and_lets_no_mark_out() -> None:
    for unit in ("` [7] ", "[" * 50, "[1,", " " * 40 + "[7", "``[7]`", "> - `[7]\n"):
        passed = remove_marks(unit * 3_000, kept)
        assert unit.startswith(("` [", "``[")) or "[7]" not in passed


def test_where_no_passage_was_read_nothing_is_held_back_but_what_may_be_a_mark() -> None:
    marks = MarkFilter(kept, spaces=lambda: False)
    assert [marks.feed(piece) for piece in ("We ", "spent ", "9 ", "[7", "] a", "nd [7, 30] ")] == [
        "We ", "spent ", "9 ", "", " a", "nd [7, 30] ",
    ]  # fmt: skip


def test_the_text_before_a_mark_can_keep_it() -> None:
    marks = MarkFilter(lambda _number, before: before.endswith("Apollo "))
    assert marks.feed("Project Apollo [7] and [7]") == "Project Apollo [7] and"


def test_the_numbers_of_a_text_are_those_of_its_prose() -> None:
    assert numbers_in("One [1], more [2, 12], `code[3]`.") == {1, 2, 12}
