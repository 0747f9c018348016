"""Files that mean harm or are damaged: each ends in its named reason, within bounds of time and memory."""

import resource
import tempfile

import pytest

from common import limits
from common.knowledge.parsing.process import Parsed, parse
from common.knowledge.parsing.refusal import Refused
from tests.knowledge.hostile import REFUSED, deep_html, pdf


async def parsed(name: str, data: bytes) -> Parsed:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return await parse(file, name)


def readers_cpu() -> float:
    """The seconds of CPU of the processes that read documents, those that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("name", REFUSED)
async def test_a_bad_file_ends_in_its_reason(name: str) -> None:
    make, reasons = REFUSED[name]
    data, begun = make(), readers_cpu()
    with pytest.raises(Refused) as refused:
        await parsed(name, data)
    assert refused.value.reason in reasons
    assert 0 < readers_cpu() - begun < limits.PARSING_SECONDS


async def test_a_reader_is_ended_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PARSING_SECONDS", 0.0)
    begun = readers_cpu()
    with pytest.raises(Refused, match="too_large"):
        await parsed("a.txt", b"It would be read in a second.")
    assert readers_cpu() > begun


async def test_html_of_any_depth_is_read() -> None:
    (chunk,) = (await parsed("deep.html", deep_html())).chunks
    assert chunk.text == "the bottom"


async def test_after_a_file_that_killed_its_reader_the_next_one_is_read() -> None:
    with pytest.raises(Refused):
        await parsed("flate-bomb.pdf", REFUSED["flate-bomb.pdf"][0]())
    assert (await parsed("a.pdf", pdf("The CFO signs."))).chunks[0].text == "The CFO signs."


async def test_a_file_is_read_at_its_largest_and_refused_one_byte_past_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_DOCUMENT_BYTES", 10)
    assert (await parsed("a.txt", b"0123456789")).chunks
    with pytest.raises(Refused, match="too_large"):
        await parsed("a.txt", b"0123456789!")
