"""Documents that mean harm, or are damaged, each made here; and the reason that each must end in."""

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping

import docx
from pypdf import PdfReader, PdfWriter
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

_TYPES = (
    b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    b'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    b'<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    b'wordprocessingml.document.main+xml"/></Types>'
)
_RELS = (
    b'<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    b'<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    b'Target="word/document.xml"/></Relationships>'
)
_W = b'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def pdf(*pages: str) -> bytes:
    """A PDF with a page for each text."""
    file = io.BytesIO()
    canvas = Canvas(file, A4)
    for page in pages:
        for number, line in enumerate(page.split("\n")):
            canvas.drawString(72, 760 - 14 * number, line)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def word(body: bytes, before: bytes = b"") -> bytes:
    """A Word document around the XML of its body."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", _TYPES)
        package.writestr("_rels/.rels", _RELS)
        document = b'<?xml version="1.0"?>' + before + b"<w:document " + _W + b"><w:body>" + body
        package.writestr("word/document.xml", document + b"</w:body></w:document>")
    return file.getvalue()


def scanned() -> bytes:
    """A PDF whose page is a picture of text."""
    file = io.BytesIO()
    canvas = Canvas(file, A4)
    canvas.rect(72, 600, 300, 100, fill=1)
    canvas.save()
    return file.getvalue()


def encrypted() -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf("a secret"))))
    writer.encrypt("the password", algorithm="AES-256")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def encrypted_word() -> bytes:
    """The container that Word puts an encrypted document into, as far as its kind is known by it."""
    return bytes.fromhex("d0cf11e0a1b11ae1") + bytes(1000) + "EncryptedPackage".encode("utf-16-le") + bytes(1000)


def encrypted_zip() -> bytes:
    """A Word document whose entries say that they are encrypted."""
    data = bytearray(word(b"<w:p/>"))
    for mark, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(mark, at + 1)
    return bytes(data)


def flate_bomb() -> bytes:
    """A page whose content is 400 MB of drawing, packed into 400 kB."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b"BT (a) Tj ET " * 77_000) for _ in range(400)) + packer.flush()
    return _file_of(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed), packed),
    )


def _file_of(*objects: bytes) -> bytes:
    """A PDF of these objects, of which the first is its catalogue."""
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    end = b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + end


def zip_bomb() -> bytes:
    """A Word document of 500 MB in half a megabyte."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package, package.open("word/document.xml", "w") as entry:
        for _ in range(500):
            entry.write(b" " * 1_000_000)
    return file.getvalue()


def lying_zip() -> bytes:
    """A package that says that its text is small, and is not."""
    data = bytearray(word(b"<w:p><w:r><w:t>" + b"a" * 60_000_000 + b"</w:t></w:r></w:p>"))
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = (1000).to_bytes(4, "little")
    return bytes(data)


def entities() -> bytes:
    """A billion laughs, and a file of the machine."""
    levels = b"".join(b'<!ENTITY l%d "%s">' % (number, b"&l%d;" % (number - 1) * 10) for number in range(1, 10))
    kinds = b'<!DOCTYPE x [<!ENTITY l0 "lol"><!ENTITY file SYSTEM "file:///etc/passwd">' + levels + b"]>"
    return word(b"<w:p><w:r><w:t>&l9;&file;</w:t></w:r></w:p>", kinds)


def deep_html() -> bytes:
    return b"<html><body>" + b"<div>" * 200_000 + b"the bottom" + b"</div>" * 200_000


def deep_word() -> bytes:
    return word(b"<w:sdt><w:sdtContent>" * 50_000 + b"<w:p/>" + b"</w:sdtContent></w:sdt>" * 50_000)


def cyclic_pages() -> bytes:
    """Pages whose kids are themselves."""
    return _file_of(b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 9>>")


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def a_word_document() -> bytes:
    document, file = docx.Document(), io.BytesIO()
    document.add_heading("Policy", 1)
    document.add_paragraph("Every resource carries a tag.")
    document.save(file)
    return file.getvalue()


REFUSED: Mapping[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "empty.pdf": (lambda: b"", ("no_text",)),
    "blank.txt": (lambda: b" \n\t\n ", ("no_text",)),
    "scanned.pdf": (scanned, ("no_text",)),
    "without-text.docx": (lambda: word(b"<w:p/>"), ("no_text",)),
    "cut.pdf": (lambda: cut(pdf(*["a page of text"] * 20)), ("broken",)),
    "cut.docx": (lambda: cut(a_word_document()), ("broken",)),
    "damaged.docx": (lambda: word(b"<w:p><w:r>"), ("broken",)),
    "garbage.pdf": (lambda: b"%PDF-1.7\n" + bytes(range(256)) * 40 + b"\n%%EOF", ("broken",)),
    "encrypted.pdf": (encrypted, ("encrypted",)),
    "encrypted.docx": (encrypted_word, ("encrypted",)),
    "encrypted-zip.docx": (encrypted_zip, ("encrypted", "broken")),
    "picture.pdf": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(500), ("not_supported",)),
    "program.txt": (lambda: b"\x7fELF" + bytes(500), ("not_supported",)),
    "archive.docx": (lambda: _zip({"a.txt": b"text"}), ("not_supported",)),
    "old.doc": (lambda: bytes.fromhex("d0cf11e0a1b11ae1") + bytes(1000), ("not_supported",)),
    "rich.rtf": (lambda: b"{\\rtf1 Hello}", ("not_supported",)),
    "data.xml": (lambda: b'<?xml version="1.0"?><a>text</a>', ("not_supported",)),
    "flate-bomb.pdf": (flate_bomb, ("too_large",)),
    "zip-bomb.docx": (zip_bomb, ("too_large",)),
    "lying-zip.docx": (lying_zip, ("broken", "too_large")),
    "entities.docx": (entities, ("broken",)),
    "cyclic.pdf": (cyclic_pages, ("broken", "too_large", "no_text")),
    "deep.docx": (deep_word, ("broken", "too_large", "no_text")),
    "endless.txt": (lambda: b"word " * 1_100_000, ("too_large",)),
}


def _zip(files: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        for name, data in files.items():
            package.writestr(name, data)
    return file.getvalue()
