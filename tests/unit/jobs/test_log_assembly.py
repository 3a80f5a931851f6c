"""From pieces of output to lines and blocks."""

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.log.assembly import BLOCK_SIZE, HOLD_SECONDS, Assembly, Place
from jobs.log.codec import LINE_LIMIT, Level, Stream, unpack

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLACE = Place("RUN", "RUN/0", "build")
OTHER = Place("RUN", "RUN/1", "deploy")
OUT, ERR = Stream.STDOUT, Stream.STDERR


def written(assembly: Assembly) -> list[tuple[Place, list[bytes]]]:
    """Return what was collected: place and lines of each block."""
    return [(place, unpack(block.build().data).text.split(b"\n")) for place, block in assembly.take()]


def lines_of(assembly: Assembly) -> list[bytes]:
    return [line for _, lines in written(assembly) for line in lines]


@given(st.binary(max_size=300), st.lists(st.integers(min_value=0, max_value=300), max_size=20))
def test_lines_do_not_depend_on_where_the_pieces_end(data: bytes, cuts: list[int]) -> None:
    data = data.replace(b"a", b"\n")
    assembly = Assembly()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for begin, end in itertools.pairwise(edges):
        assembly.feed(PLACE, OUT, data[begin:end], AT, 0.0)
    assembly.end(AT)
    expected = data.split(b"\n")
    assert lines_of(assembly) == (expected[:-1] if expected[-1] == b"" else expected)


def test_the_beginning_of_a_line_waits_for_its_rest() -> None:
    assembly = Assembly()
    assembly.feed(PLACE, OUT, b"one\ntw", AT, 0.0)
    assert lines_of(assembly) == [b"one"]
    assert assembly.release(AT, HOLD_SECONDS / 2) == HOLD_SECONDS
    assert assembly.size == 0
    assembly.feed(PLACE, OUT, b"o\n", AT, HOLD_SECONDS / 2)
    assert lines_of(assembly) == [b"two"]


def test_a_prompt_is_shown_when_nothing_follows() -> None:
    assembly = Assembly()
    assembly.feed(PLACE, OUT, b"Password: ", AT, 1.0)
    assert assembly.release(AT, 1.0 + HOLD_SECONDS) is None
    assert lines_of(assembly) == [b"Password: "]
    assembly.end(AT)
    assert lines_of(assembly) == []


def test_dots_without_end_are_shown_as_well() -> None:
    """The wait counts from the first byte: a line that grows for ever does not hide."""
    assembly = Assembly()
    for turn in range(10):
        assembly.feed(PLACE, OUT, b".", AT, turn * 0.1)
    assembly.release(AT, 1.0)
    assert lines_of(assembly) == [b"." * 10]


def test_streams_of_one_operation_do_not_mix_within_a_line() -> None:
    assembly = Assembly()
    assembly.feed(PLACE, OUT, b"out ", AT, 0.0)
    assembly.feed(PLACE, ERR, b"err\n", AT, 0.0)
    assembly.feed(PLACE, OUT, b"put\n", AT, 0.0)
    (_place, block), *_ = assembly.take()
    unpacked = unpack(block.build().data)
    assert unpacked.text == b"err\nout put"
    assert [run.stream for run in unpacked.runs] == [ERR, OUT]


def test_order_is_kept_when_operations_follow_each_other() -> None:
    assembly = Assembly()
    assembly.entry(PLACE, Level.INFO, b"begin", AT)
    assembly.feed(PLACE, OUT, b"no line feed", AT, 0.0)
    assembly.entry(PLACE, Level.ERROR, b"failed", AT)
    assembly.feed(PLACE, OUT, b"rest", AT, 0.0)
    assembly.feed(OTHER, OUT, b"other\n", AT, 0.0)
    assembly.entry(PLACE, Level.INFO, b"end", AT)
    assert written(assembly) == [
        (PLACE, [b"begin", b"no line feed", b"failed", b"rest"]),
        (OTHER, [b"other"]),
        (PLACE, [b"end"]),
    ]


def test_branches_share_no_block_and_need_none_for_each_change() -> None:
    assembly = Assembly()
    branches = [Place("RUN", f"RUN/0/parallel/{thread}", "", thread) for thread in (1, 2)]
    for turn in range(100):
        for branch in branches:
            assembly.feed(branch, OUT, b"%d" % turn, AT, 0.0)
            assembly.feed(branch, OUT, b"\n", AT, 0.0)
    assert written(assembly) == [(branch, [b"%d" % turn for turn in range(100)]) for branch in branches]


def test_a_block_is_full_at_its_size() -> None:
    assembly = Assembly()
    line = b"x" * 1023 + b"\n"
    assembly.feed(PLACE, OUT, line * (BLOCK_SIZE // 1024 - 1), AT, 0.0)
    assert [assembly.has_full_block] == [False]
    assembly.feed(PLACE, OUT, line * 2, AT, 0.0)
    assert [assembly.has_full_block] == [True]
    assert len(assembly.take()) == 1
    assert (assembly.size, assembly.has_full_block) == (0, False)


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    assembly = Assembly()
    for _ in range(40):
        assembly.feed(PLACE, OUT, "é".encode() * 8000, AT, 0.0)
    assert assembly.size > 8 * LINE_LIMIT
    assembly.end(AT)
    lines = lines_of(assembly)
    assert b"".join(lines).decode() == "é" * 8000 * 40
    assert max(map(len, lines)) <= LINE_LIMIT


class _Masking:
    """Replaces a word, also when it comes in pieces."""

    WORD = b"secret"

    def __init__(self) -> None:
        self._held = b""

    @property
    def holding(self) -> bool:
        return bool(self._held)

    def push(self, data: bytes) -> bytes:
        text = (self._held + data).replace(self.WORD, b"***")
        keep = next((n for n in range(len(self.WORD) - 1, 0, -1) if text.endswith(self.WORD[:n])), 0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def rest(self, *, final: bool) -> bytes:
        if not final:
            return b""
        rest, self._held = self._held, b""
        return rest


def test_a_filter_sees_everything_before_it_is_stored() -> None:
    assembly = Assembly(_Masking)
    for piece in (b"my sec", b"ret is sec", b"ret\nsecond sec"):
        assembly.feed(PLACE, OUT, piece, AT, 0.0)
    assembly.feed(PLACE, ERR, b"ret in another stream\n", AT, 0.0)
    assembly.release(AT, HOLD_SECONDS)
    assembly.entry(PLACE, Level.INFO, b"the secret", AT)
    assembly.end(AT)
    assert lines_of(assembly) == [
        b"my *** is ***",
        b"ret in another stream",
        b"second ",
        b"the ***",
        b"sec",
    ]


def test_a_line_whose_end_may_become_a_secret_waits_as_a_whole() -> None:
    assembly = Assembly(_Masking)
    assembly.feed(PLACE, OUT, b"my sec", AT, 0.0)
    assert assembly.release(AT, 10.0) is None
    assert lines_of(assembly) == []
    assembly.feed(PLACE, OUT, b"ret it", AT, 10.0)
    assert assembly.release(AT, 10.1) == pytest.approx(10.0 + HOLD_SECONDS)
    assembly.release(AT, 10.0 + HOLD_SECONDS)
    assert lines_of(assembly) == [b"my *** it"]


def test_what_a_filter_lets_go_after_a_while_is_a_line() -> None:
    class Hesitating(_Masking):
        def rest(self, *, final: bool) -> bytes:
            return super().rest(final=True)

    assembly = Assembly(Hesitating)
    assembly.feed(PLACE, OUT, b"sec", AT, 0.0)
    assert assembly.release(AT, 0.1) == pytest.approx(HOLD_SECONDS)
    assembly.release(AT, HOLD_SECONDS)
    assert lines_of(assembly) == [b"sec"]


def test_an_entry_longer_than_a_line_is_cut_behind_the_filter() -> None:
    assembly = Assembly(_Masking)
    text = b"x" * (LINE_LIMIT - 3) + b"secret"
    assembly.entry(PLACE, Level.INFO, text, AT)
    assert b"".join(lines_of(assembly)) == b"x" * (LINE_LIMIT - 3) + b"***"
