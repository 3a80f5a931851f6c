"""The form of a chunk: what goes in comes out, whatever the bytes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.log.codec import LINE_LIMIT, BlockBuilder, Level, Run, Stream, cut_long_lines, join_lines, unpack

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)

lines = st.lists(st.binary().map(lambda data: data.replace(b"\n", b"")), min_size=1, max_size=5)
pieces = st.lists(
    st.tuples(
        lines,
        st.integers(min_value=-5, max_value=100_000),
        st.sampled_from(sorted(Level)),
        st.sampled_from(sorted(Stream)),
    ),
    min_size=1,
    max_size=20,
)


@given(pieces)
def test_a_block_holds_exactly_what_was_added(pieces: list[tuple[list[bytes], int, Level, Stream]]) -> None:
    builder = BlockBuilder()
    expected = []
    for texts, offset, level, stream in pieces:
        builder.add(b"\n".join(texts), AT + timedelta(milliseconds=offset), level, stream)
        first = AT + timedelta(milliseconds=pieces[0][1])
        shown = max(AT + timedelta(milliseconds=offset), first)
        expected += [(text, shown, level, stream) for text in texts]
    block = builder.build()
    unpacked = unpack(block.data)
    texts = unpacked.text.split(b"\n")
    runs = [run for run in unpacked.runs for _ in range(run.lines)]
    found = [
        (text, block.first_at + timedelta(milliseconds=run.offset_ms), run.level, run.stream)
        for text, run in zip(texts, runs, strict=True)
    ]
    assert found == expected
    assert block.line_count == len(expected)
    assert block.size == len(unpacked.text)
    assert block.levels == sum({level for _, _, level, _ in pieces})
    assert block.last_at == max(at for _, at, _, _ in expected)


def test_a_piece_of_many_lines_is_one_run() -> None:
    builder = BlockBuilder()
    for _ in range(3):
        builder.add(b"\n".join([b"x"] * 10_000), AT, Level.INFO, Stream.STDOUT)
    assert unpack(builder.build().data).runs == (Run(30_000, 0, Level.INFO, Stream.STDOUT),)


def test_an_empty_block_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one line"):
        BlockBuilder().build()


@given(st.lists(st.sampled_from([b"a" * 10, b"\xc3\xa9" * 40_000, b"\x80" * 70_000, b"b" * LINE_LIMIT, b""])))
def test_cutting_keeps_every_byte_and_leaves_no_line_too_long(texts: list[bytes]) -> None:
    text = b"\n".join(texts)
    cut = cut_long_lines(text)
    assert cut.replace(b"\n", b"") == text.replace(b"\n", b"")
    assert max(map(len, cut.split(b"\n"))) <= LINE_LIMIT
    short = [line for line in texts if len(line) <= LINE_LIMIT]
    assert all(line in cut.split(b"\n") for line in short)


def test_a_cut_does_not_split_a_character() -> None:
    cut = cut_long_lines(b"x" + "é".encode() * LINE_LIMIT)
    assert cut.decode().replace("\n", "") == "x" + "é" * LINE_LIMIT


def test_texts_of_several_lines_become_several() -> None:
    assert join_lines(["a\nb", "c\n", "", "\ud800"]) == b"a\nb\nc\n\n\xed\xa0\x80"


def test_levels_and_streams_have_the_names_of_the_api() -> None:
    assert [level.code for level in Level] == ["debug", "info", "warning", "error", "comment"]
    assert [stream.code for stream in Stream] == ["system", "stdout", "stderr"]
    assert Level.of("warning") is Level.WARNING
