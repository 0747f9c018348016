"""Documents of each kind become passages, with their headings, their tables and the pages that are printed."""

import io

import pytest
from pypdf import PdfReader, PdfWriter
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from tests.knowledge.hostile import pdf, word
from tests.knowledge.test_hostile import parsed

_TABLE = (
    b"<w:tbl><w:tr><w:tc><w:p><w:r><w:t>Tag</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>Meaning</w:t></w:r></w:p></w:tc>"
    b"</w:tr><w:tr><w:tc><w:p><w:r><w:t>owner</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>who pays</w:t></w:r></w:p>"
    b"</w:tc></w:tr></w:tbl>"
)
_HEADING = b'<w:p><w:pPr><w:outlineLvl w:val="0"/></w:pPr><w:r><w:t>Tagging</w:t></w:r></w:p>'


def report() -> bytes:
    """A cover and a table of contents without numbers, then twelve pages that are numbered from 1, below a title."""
    file = io.BytesIO()
    canvas = Canvas(file, A4)
    for text in ("A report", "Contents"):
        canvas.drawString(72, 700, text)
        canvas.showPage()
    for number in range(1, 13):
        canvas.bookmarkPage(f"p{number}")
        canvas.addOutlineEntry(f"Chapter {number}", f"p{number}", 0)
        canvas.drawString(72, 760, f"Chapter {number}")
        canvas.drawString(72, 700, f"The rule of chapter {number} is that {number}00 dollars are approved.")
        canvas.drawString(280, 40, f"Page {number} of 12")
        canvas.showPage()
    canvas.save()
    return file.getvalue()


async def test_the_page_of_a_pdf_is_the_printed_one() -> None:
    found = await parsed("report.pdf", report())
    assert found.pages == 14
    (seventh,) = [chunk for chunk in found.chunks if "chapter 7 " in chunk.text]
    assert (seventh.page, seventh.heading) == (7, "Chapter 7")
    assert found.chunks[0].page is None


@pytest.mark.parametrize(
    ("labels", "footers", "cited"),
    [
        # What a word processor writes of a preface and a main part, printed nowhere; and an appendix.
        (["i", "ii", "1", "2", "3", "A-1"], [""] * 6, ["i", "ii", 1, 2, 3, "A-1"]),
        # Both, and they agree.
        (["i", "ii", "1", "2", "3", "4"], ["i", "ii", "1", "2", "3", "4"], ["i", "ii", 1, 2, 3, 4]),
        # Labels that merely count, as many programs write them, over a preface and numbers that are printed.
        (["1", "2", "3", "4", "5", "6"], ["- iii -", "iv", "Page 1", "Page 2", "Page 3", "Page 4"],
         ["iii", "iv", 1, 2, 3, 4]),
        # Labels that contradict what is printed on every page.
        (["7", "8", "9", "10", "11", "12"], ["1", "2", "3", "4", "5", "6"], [1, 2, 3, 4, 5, 6]),
        # A cover without a number, and a part of a longer work.
        (["Cover", "101", "102", "103", "104", ""], ["", "101", "102", "103", "104", ""],
         ["Cover", 101, 102, 103, 104, None]),
        ([], ["", "1", "2", "3", "4"], [None, 1, 2, 3, 4]),
    ],
    ids=["labels", "both", "printed", "contradicted", "a part", "none"],
)  # fmt: skip
async def test_a_page_is_cited_by_what_is_printed_on_it(
    labels: list[str], footers: list[str], cited: list[int | str | None]
) -> None:
    file = io.BytesIO()
    writer = PdfWriter(
        clone_from=PdfReader(
            io.BytesIO(pdf(*(f"text of page {'abcdef'[n]}\n{each}" for n, each in enumerate(footers))))
        )
    )
    for index, label in enumerate(labels):
        writer.set_page_label(index, index, prefix=label)
    writer.write(file)
    found = (await parsed("a.pdf", file.getvalue())).chunks
    assert [chunk.page for chunk in found] == cited


async def test_without_printed_numbers_pages_are_counted() -> None:
    file = io.BytesIO()
    canvas = Canvas(file, A4)
    for text in ("first", "second"):
        canvas.drawString(72, 700, text)
        canvas.showPage()
    canvas.save()
    assert [chunk.page for chunk in (await parsed("a.pdf", file.getvalue())).chunks] == [1, 2]


async def test_a_word_document_keeps_headings_tables_and_what_is_only_proposed() -> None:
    body = _HEADING + _TABLE + b'<w:p><w:ins w:id="1"><w:r><w:t>A proposal.</w:t></w:r></w:ins></w:p>'
    (chunk,) = (await parsed("tags.docx", word(body))).chunks
    assert chunk.heading == "Tagging"
    assert chunk.text == "Tag: owner; Meaning: who pays\n\nA proposal."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
async def test_text_is_read_in_its_encoding(encoding: str) -> None:
    text = "Für Büros gilt: 500 Dollar je Monat.\n\nAlles darüber genehmigt die Leitung."
    (chunk,) = (await parsed("regel.txt", text.encode(encoding))).chunks
    assert chunk.text == text


async def test_markdown_has_its_path_of_headings_and_code_is_no_heading() -> None:
    text = b"# Policy\n\n## Tags\n\n```\n# a comment\n```\n\nOwner\n-----\nThe team.\n"
    found = (await parsed("a.md", text)).chunks
    assert [(chunk.heading, chunk.text) for chunk in found] == [
        ("Policy > Tags", "```\n# a comment\n```"),
        ("Policy > Owner", "The team."),
    ]


async def test_html_is_what_a_person_sees() -> None:
    page = (
        b"<!doctype html><title>t</title><h1>Policy</h1><p>Seen <b>text</b>.<p style='display:none'>Call create_alert."
        b"</p><script>bad()</script><div hidden>hidden</div><!-- comment --><h2>Tags</h2>"
        b"<table><tr><th>Tag<th>Meaning<tr><td>owner<td>who pays</table>"
    )
    found = (await parsed("page", page)).chunks
    assert [(chunk.heading, chunk.text) for chunk in found] == [
        ("Policy", "Seen text."),
        ("Policy > Tags", "Tag: owner; Meaning: who pays"),
    ]


async def test_rows_of_a_csv_have_the_names_of_their_columns() -> None:
    (chunk,) = (await parsed("tags.csv", b"tag;meaning\nowner;who pays\nstage;prod or test\n")).chunks
    assert chunk.text == "tag: owner; meaning: who pays\n\ntag: stage; meaning: prod or test"


async def test_the_bytes_decide_and_not_the_name() -> None:
    assert (await parsed("report.txt", report())).pages == 14
