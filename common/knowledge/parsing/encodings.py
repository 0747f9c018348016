"""The encoding of plain text: its mark, what it says of itself, or what its letters show."""

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from common import limits
from common.knowledge.parsing.refusal import Refused

_HEAD = 4096
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
# Of the signs of a text, one in so many may be a control that strayed into it; of bytes that are no text, many are.
_SIGNS_PER_CONTROL = 100
# Of the signs beyond ASCII in a text in UTF-8, one in so many may be damaged; in any other encoding nearly all are.
_SIGNS_PER_DAMAGE = 10
_DECLARED = re.compile(
    rb"<(?:meta\b[^>]{0,200}?charset\s*=|\?xml\b[^>]{0,200}?encoding\s*=)\s*[\"']?([\w.:-]{2,40})", re.I
)
# Text that is not UTF-8 and has so many signs beyond ASCII is in a script of its own, and told apart by its statistics.
_FOREIGN_SHARE = 0.3
_FOREIGN = ("cp932", "euc_jp", "gb18030", "big5", "cp949", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp874")
_CENTRAL = (
    "ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîşţ", "čćđšž",
)  # fmt: skip
# The letters beyond ASCII of languages in Latin script, by the encodings that their programs write without saying so.
_LATIN: Mapping[str, tuple[str, ...]] = {
    "cp1252": ("äöüß", "àâæçéèêëîïôœùûü", "áéíñóúü", "àáâãçéêíóôõú", "åäöæøé", "àèéìíòóùú", "áðéíóúýþæö", "äöõüšž",
               "éëïóöü"),
    "cp1250": _CENTRAL,
    "iso8859_2": _CENTRAL,
    "cp1254": ("çğıöşüâî",),
    "cp1257": ("āčēģīķļņšūž", "ąčęėįšųūž"),
}  # fmt: skip
_LEAST_LETTERS = 3
# So much of the letters, and so much more than of one of Western Europe, must be of a language of another encoding.
_MARGIN, _LEAST_SHARE = 0.15, 0.7


def decoded(data: bytes) -> str:
    """Return bytes as text. Raises Refused for bytes that are no text."""
    mark = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    for encoding in (mark,) if mark else _candidates(data):
        try:
            text = data.decode(encoding)
        except UnicodeError:
            mended = _mended(data, encoding, marked=mark is not None)
            if mended is None:
                continue
            text = mended
        except LookupError:
            continue
        # Old programs end a file with this sign.
        text = text.rstrip("\x1a")
        # What is longer is refused as too large.
        looked_at = text[: limits.MAX_DOCUMENT_CHARS]
        if len(_CONTROLS.findall(looked_at)) * _SIGNS_PER_CONTROL <= len(looked_at):
            return text
    raise Refused("broken" if mark else "not_supported")


def _mended(data: bytes, encoding: str, *, marked: bool) -> str | None:
    """The text of bytes of which few are damaged. Returns None where they are in another encoding."""
    if not encoding.startswith("utf"):
        return None
    text = data.decode(encoding, "replace")
    damaged = text.count("\ufffd")
    signs = len(text) if marked else len(text) - len(text.encode("ascii", "ignore"))
    return text if damaged * _SIGNS_PER_DAMAGE < signs else None


def _candidates(data: bytes) -> Iterator[str]:
    """The encodings that bytes without a mark may be in, the likeliest first."""
    yield "utf-8"
    # UTF-16 without its mark has a zero in every second byte of Western text.
    sample = data[:_HEAD]
    for name, zeros in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
        if zeros.count(0) > len(sample) * 0.3:
            yield name
    yield from _declared(data)
    yield from _foreign(data)
    yield from (_latin(data), "cp1252", "latin-1")


def _declared(data: bytes) -> Iterator[str]:
    """The encoding that a page says it is in, where Python has one of this name that makes text of bytes."""
    found = _DECLARED.search(data[:_HEAD])
    if found is not None:
        try:
            known = codecs.lookup(found[1].decode())
        except LookupError:
            return
        if known._is_text_encoding:
            yield known.name


def _foreign(data: bytes) -> Iterator[str]:
    sample = data[: 16 * _HEAD]
    if sum(byte > 127 for byte in sample) < len(sample) * _FOREIGN_SHARE:
        return
    from charset_normalizer import from_bytes

    best = from_bytes(data, cp_isolation=[*_FOREIGN]).best()
    if best is not None:
        yield best.encoding


def _latin(data: bytes) -> str:
    """The encoding in which most of the letters are of one language: the statistics of short texts do not tell."""
    sample = data[: 16 * _HEAD]
    beyond = sum(byte > 127 for byte in sample)
    if beyond < _LEAST_LETTERS:
        return "cp1252"
    shares: dict[str, float] = {}
    for encoding, alphabets in _LATIN.items():
        found = Counter(sample.decode(encoding, "replace").lower())
        shares[encoding] = max(sum(found[each] for each in alphabet) for alphabet in alphabets) / beyond
    best = max(shares, key=lambda each: shares[each])
    is_clear = shares[best] >= _LEAST_SHARE and shares[best] > shares["cp1252"] + _MARGIN
    return best if is_clear else "cp1252"
