"""JSON text: what is written is read back, whatever of the two libraries writes it."""

import json
from typing import Any

import pytest

from common import json_text

VALUES: dict[str, Any] = {
    "text": {"text": "Größe \u2028 \x00\x1f\x7f", "null": None, "list": [1, -0.5, 1e300, True]},
    "64 bits": {"cents": [2**63 - 1, -(2**63)]},
    "half of a surrogate pair": {"text": "a\ud83d"},
    "a number as a name": {1: "one"},
}


@pytest.mark.parametrize("name", VALUES)
def test_what_is_written_is_read_back(name: str) -> None:
    value = VALUES[name]
    written = json_text.write(value)
    assert json_text.read(written) == json.loads(json.dumps(value))
    assert ": " not in written


def test_bytes_have_a_question_mark_for_half_of_a_surrogate_pair() -> None:
    assert json_text.write_bytes({"text": "a\ud83d"}) == b'{"text":"a?"}'
    assert json_text.write_bytes({"text": "ß"}) == '{"text":"ß"}'.encode()


def test_a_number_of_more_than_64_bits_is_written_whole_and_read_as_a_float() -> None:
    assert json_text.write({"cents": 10**30}) == '{"cents":1000000000000000000000000000000}'
    assert json_text.read('{"cents":1000000000000000000000000000000}') == {"cents": 1e30}


def test_what_is_escaped_by_half_is_read() -> None:
    assert json_text.read(rb'{"text": "a\ud83d"}') == {"text": "a\ud83d"}


@pytest.mark.parametrize("text", ["", "{", "[1,]", "nothing", b"\xff"])
def test_what_is_no_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_text.read(text)
