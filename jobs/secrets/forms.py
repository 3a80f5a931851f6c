"""The forms in which a secret may be printed: as it is, escaped for some language, in base64, in hexadecimal. Pure."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_plus

SHORTEST: Final = 4
"""Characters of the shortest secret: to hide anything shorter would destroy every log."""

SHORTEST_LINE: Final = 8
"""Characters from which on a line of a secret of several lines is hidden alone, too."""

LINE_BREAKS: Final = b"\r\n"
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_SPECIAL_TO_SHELLS: Final = re.compile(r"([^\w@%+=:,./-])", re.ASCII)
_SPECIAL_IN_QUOTES: Final = re.compile(r"([$`\"\\])")
_PERCENT: Final = re.compile(r"%[0-9A-F]{2}")
_HTML_SAFE: Final = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}


@dataclass(frozen=True, slots=True)
class Encoded:
    """A secret within a longer encoded text, which may be broken into lines anywhere.

    Attributes:
        needle: What is certain to be there, in the standard alphabet and without line breaks.
        before: Whether the sign before holds some bits of the secret.
        after: Whether the sign behind does.
    """

    needle: bytes
    before: bool = False
    after: bool = False


def without_breaks(text: bytes) -> bytes:
    """Return ``text`` in the standard alphabet of base64 and without line breaks, where ``Encoded`` is looked for."""
    return text.translate(_STANDARD, LINE_BREAKS)


def parts_of(secret: str) -> Iterator[str]:
    """Yield what has to be hidden of a secret: the whole, and each line that is long enough."""
    whole = secret.strip()
    if len(whole) < SHORTEST:
        return
    yield whole
    lines = whole.splitlines()
    if len(lines) > 1:
        yield from (line.strip() for line in lines if len(line.strip()) >= SHORTEST_LINE)


def plain_forms(part: str) -> set[bytes]:
    """Return the forms of which every byte counts: as it is, and as texts of other languages write it."""
    addresses = {quote(part, safe=""), quote(part), quote_plus(part)}
    in_json = {json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1]}
    in_pages = html.escape(part)
    found = {
        part,
        *addresses,
        *(_PERCENT.sub(lambda code: code[0].lower(), address) for address in addresses),
        *in_json,
        *(text.replace("/", "\\/") for text in in_json),
        *(text.translate(_HTML_SAFE) for text in in_json),
        repr(part)[1:-1],
        part.replace("'", "'\\''"),
        part.replace("'", "'\"'\"'"),
        _SPECIAL_TO_SHELLS.sub(r"\\\1", part),
        _SPECIAL_IN_QUOTES.sub(r"\\\1", part),
        in_pages,
        in_pages.replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    }
    return {form.encode(errors="surrogatepass") for form in found}


def encoded_forms(part: str) -> Iterable[Encoded]:
    """Return the forms in base64, at each of the three places in a group of bytes, and in hexadecimal."""
    data = part.encode(errors="surrogatepass")
    in_hex = data.hex().encode()
    yield Encoded(in_hex)
    if in_hex.upper() != in_hex:
        yield Encoded(in_hex.upper())
    for shift in range(3):
        signs = base64.b64encode(bytes(shift) + data + bytes(2))
        first = -(-8 * shift // 6)
        bits = 8 * (shift + len(data))
        yield Encoded(signs[first : bits // 6], before=bool(shift), after=bool(bits % 6))
