"""Hiding secrets in whatever leaves the engine: texts, plain data, and output that comes in pieces. Pure.

Every form of every secret (``jobs.secrets.forms``) is looked for with the search of ``bytes``, which skips most of the
text; when the forms are many, one look at groups of four bytes, taken at regular steps, tells first which of them can
be there. No pattern is ever run, so no text can make the search slow.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from jobs.secrets.forms import Encoded, encoded_forms, parts_of, plain_forms, without_breaks

MASK: Final = "***"

_MASKED: Final = MASK.encode()
_BREAK: Final = re.compile(rb"[\r\n]")
_SIGNS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_FEW: Final = 40
"""So many forms are each looked for; more than that are sorted out by their groups first."""

_GROUP: Final = 4
_LONGEST_STEP: Final = 8 * _GROUP
_FEW_SHORT: Final = 8
"""So many of the shortest forms are each looked for in any case, so that they do not shorten the steps."""

_SHORT_BEGINNING: Final = 4
"""A complete line that ends with fewer signs of a secret than this is shown after a while; see ``Stream.rest``."""

_CUT: Final = "…"

Span = tuple[int, int]
_Form = bytes | Encoded


class Mask:
    """Hides some secrets. Without any it is false and changes nothing."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Work out what has to be looked for.

        Args:
            secrets: Values; what is too short to be hidden is left out.
        """
        parts = {part for secret in secrets for part in parts_of(secret)}
        self._numbers = {part for part in parts if part.lstrip("-")[:1].isdigit()}
        self._plain = sorted({form for part in parts for form in plain_forms(part)})
        encoded = {one.needle: one for part in parts for one in encoded_forms(part)}
        self._encoded = [encoded[needle] for needle in sorted(encoded)]
        self._forms: list[_Form] = [*self._plain, *self._encoded]
        self._groups = _Groups(self._forms) if len(self._forms) > _FEW else None
        self._plain_beginnings = _Beginnings(self._plain)
        self._encoded_beginnings = _Beginnings([one.needle for one in self._encoded])
        self._longest_held = 4096 + 2 * max(map(_size, self._forms), default=0)

    def __bool__(self) -> bool:
        """Return whether there is anything to hide."""
        return bool(self._forms)

    def __repr__(self) -> str:
        return f"<Mask of {len(self._forms)} forms>"

    def filter(self) -> Stream:
        """Return what hides the secrets in one stream of output; see ``jobs.log.assembly.Filter``."""
        return Stream(self)

    def text(self, text: str) -> str:
        """Return ``text`` with every secret hidden, also one at its end that was cut short with ``…``."""
        data = text.encode(errors="surrogatepass")
        spans = self.spans(data) if self._forms else []
        if self._forms and text.endswith(_CUT):
            end = len(data) - len(_CUT.encode())
            start = self.unfinished(data[:end])
            if end - start >= _SHORT_BEGINNING:
                spans = _merged([*spans, (start, end)])
        if not spans:
            return text
        pieces, at = [], 0
        for start, end in spans:
            pieces += [data[at:start], _MASKED]
            at = end
        return b"".join([*pieces, data[at:]]).decode(errors="surrogatepass")

    def value(self, value: Any) -> Any:
        """Return plain data of the same shape with the secrets in its texts and keys hidden, and numbers that are one."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, tuple):
            return tuple(self.value(item) for item in value)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return MASK if is_number and self._numbers and str(value) in self._numbers else value

    def spans(self, data: bytes) -> list[Span]:
        """Return where secrets are, in order; those that overlap or touch are one."""
        joined = without_breaks(data)
        found: list[Span] = []
        inside: list[Span] = []
        for form in self._forms if self._groups is None else self._groups.possible(joined):
            if isinstance(form, bytes):
                found += [(at, at + len(form)) for at in _places(data, form)]
            else:
                inside += [_widened(form, at, joined) for at in _places(joined, form.needle)]
        if inside:
            breaks = [one.start() - count for count, one in enumerate(_BREAK.finditer(data))]
            found += [
                (start + bisect_right(breaks, start), end + bisect_right(breaks, end - 1))
                for start, end in inside
            ]
        return _merged(found)

    def unfinished(self, data: bytes) -> int:
        """Return where the longest ending begins that may become a secret with what comes next; the end when none does."""
        # A secret with more line breaks in it than signs is none: what is held is bounded.
        tail = data[-self._longest_held :]
        begin = len(data) - len(tail)
        plain = self._plain_beginnings.start(tail)
        joined = without_breaks(tail)
        encoded = self._encoded_beginnings.start(joined)
        if encoded < len(joined):
            breaks = [one.start() - count for count, one in enumerate(_BREAK.finditer(tail))]
            return begin + min(plain, encoded + bisect_right(breaks, encoded))
        return begin + plain


class Stream:
    """Hides the secrets in one stream of output, also those that come in pieces.

    What may become a secret is kept until it is known whether it does. What is kept can be out already in part: behind a
    mask that was put out when a secret ended in what may be the beginning of another one, or as it is, after ``rest``.
    """

    def __init__(self, mask: Mask) -> None:
        """Begin a stream.

        Args:
            mask: Of the secrets.
        """
        self._mask = mask
        self._kept = b""
        self._out = 0
        self._behind_mask = False

    @property
    def holding(self) -> bool:
        """Whether something is held back."""
        return len(self._kept) > self._out

    def push(self, data: bytes) -> bytes:
        """Take a piece and return what is known to be no secret, with masks in place of those that are."""
        text = self._kept + data
        return self._put_out(text, self._mask.unfinished(text))

    def rest(self, *, final: bool) -> bytes:
        """Return what was held back.

        A complete line that happens to end with one, two or three signs of an encoded secret is put out: it would not be
        seen until the next one comes. Should the secret go on there, its rest is hidden all the same.

        Args:
            final: Nothing more will come: what is no secret by now is none. Otherwise what may become one is held on.
        """
        if final:
            return self._put_out(self._kept, len(self._kept))
        if not self.holding or not self._kept.endswith(b"\n"):
            return b""
        if len(without_breaks(self._kept)) >= _SHORT_BEGINNING:
            return b""
        rest, self._out = self._kept[self._out :], len(self._kept)
        self._behind_mask = False
        return rest

    def _put_out(self, text: bytes, until: int) -> bytes:
        """Return what of ``text`` is not out yet up to ``until``, and keep what comes behind."""
        pieces: list[bytes] = []
        at, behind_mask = self._out, self._behind_mask
        for start, end in self._mask.spans(text):
            if start >= until:
                break
            if end <= at:
                continue
            if start > at:
                pieces.append(text[at:start])
                behind_mask = False
            if not behind_mask:
                pieces.append(_MASKED)
            at, behind_mask = end, True
        if at < until:
            pieces.append(text[at:until])
            at, behind_mask = until, False
        self._kept, self._out = text[until:], at - until
        self._behind_mask = behind_mask and self._out > 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class _Groups:
    """Tells from groups of four bytes which forms a text can hold: one look, however many forms there are."""

    def __init__(self, forms: Collection[_Form]) -> None:
        """Choose the groups.

        Args:
            forms: More than ``_FEW_SHORT``.
        """
        needles = {form: without_breaks(form) if isinstance(form, bytes) else form.needle for form in forms}
        usual = sorted(map(len, needles.values()))[_FEW_SHORT]
        self._step = max(1, min(usual - _GROUP + 1, _LONGEST_STEP) // _GROUP)
        self._always: list[_Form] = []
        self._forms: dict[int, list[_Form]] = {}
        for form, needle in needles.items():
            if len(needle) < self._window:
                self._always.append(form)
                continue
            for group in self._groups_in(needle):
                self._forms.setdefault(group, []).append(form)
        self._known = frozenset(self._forms)

    def possible(self, joined: bytes) -> Collection[_Form]:
        """Return the forms that can be in a text without line breaks, and perhaps others."""
        whole = len(joined) // _GROUP * _GROUP
        seen = self._known.intersection(memoryview(joined)[:whole].cast("I")[:: self._step])
        return {form for group in seen for form in self._forms[group]}.union(self._always)

    @property
    def _window(self) -> int:
        """Bytes in a row that hold a whole group wherever they stand."""
        return self._step * _GROUP + _GROUP - 1

    def _groups_in(self, needle: bytes) -> list[int]:
        """Return groups of which one is seen wherever the needle is: those of its least ordinary part."""
        starts = range(min(len(needle) - self._window + 1, 64))
        start = max(starts, key=lambda at: len(set(needle[at : at + self._window])))
        ends = range(start + _GROUP, start + self._window + 1)
        return [memoryview(needle[end - _GROUP : end]).cast("I")[0] for end in ends]


class _Beginnings:
    """Finds the longest ending of a text that is a beginning of one of some needles."""

    def __init__(self, needles: Collection[bytes]) -> None:
        self._short = {needle[:size] for needle in needles for size in (1, 2, 3) if size < len(needle)}
        self._by_head: dict[bytes, list[bytes]] = {}
        for needle in needles:
            if len(needle) > _GROUP:
                self._by_head.setdefault(needle[:_GROUP], []).append(needle)
        self._reach = {head: max(map(len, found)) - 1 for head, found in self._by_head.items()}
        self._longest = max(self._reach.values(), default=0)

    def start(self, text: bytes) -> int:
        """Return where it begins; the end of the text when there is none."""
        size = len(text)
        best = next((size - n for n in (3, 2, 1) if n <= size and text[size - n :] in self._short), size)
        if self._longest < len(self._by_head):
            return self._first(text, best)
        for head, needles in self._by_head.items():
            at = text.find(head, max(0, size - self._reach[head]))
            while 0 <= at < best:
                if any(_begins(needle, text, at) for needle in needles):
                    best = at
                at = text.find(head, at + 1)
        return best

    def _first(self, text: bytes, best: int) -> int:
        """Return the same by looking at each place: quicker when there are more needles than places."""
        for at in range(max(0, len(text) - self._longest), best):
            needles = self._by_head.get(text[at : at + _GROUP], ())
            if any(_begins(needle, text, at) for needle in needles):
                return at
        return best


def _begins(needle: bytes, text: bytes, at: int) -> bool:
    """Return whether ``text`` from ``at`` on is the beginning of ``needle``, and not all of it."""
    size = len(text) - at
    # The last byte alone nearly always says no.
    return size < len(needle) and needle[size - 1] == text[-1] and needle.startswith(text[at:])


def _places(text: bytes, needle: bytes) -> Iterator[int]:
    """Yield places that together cover every occurrence, in time that does not grow with how much they overlap."""
    size = len(needle)
    at = text.find(needle)
    while at >= 0:
        yield at
        last = text.rfind(needle, at + 1, at + 2 * size)
        at = last if last > at else text.find(needle, at + size)


def _widened(form: Encoded, at: int, joined: bytes) -> Span:
    """Return the span of an encoded secret with the signs at its ends that hold some of its bits."""
    end = at + len(form.needle)
    before = form.before and at > 0 and joined[at - 1] in _SIGNS
    after = form.after and end < len(joined) and joined[end] in _SIGNS
    return at - before, end + after


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _size(form: _Form) -> int:
    return len(form) if isinstance(form, bytes) else len(form.needle)
