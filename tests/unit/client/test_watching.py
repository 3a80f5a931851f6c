"""Following a job: each line once and in order, whatever connections do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from clarive_monitor.client import following
from clarive_monitor.client.exits import Exit
from clarive_monitor.client.following import ServerSentEvent, parse_events
from tests.unit.client.conftest import Client
from tests.unit.client.stub import DROP, Answer, Asked, Pieces, Stub, entry, event, job, page, problem


class Story:
    """A job whose log grows with each look at it, and whose end comes after the last line."""

    def __init__(self, stub: Stub, lines: int, step: int, **ending: Any) -> None:
        self.lines = [entry(number) for number in range(1, lines + 1)]
        self.visible, self._step, self._ending = 0, step, ending
        stub.on("GET jobs/7/", self._job)
        stub.on("GET jobs/7/log/", self._log)

    def _job(self, asked: Asked) -> Answer:
        ended = self.visible >= len(self.lines)
        return Answer(job(7, "finished", **self._ending) if ended else job(7))

    def _log(self, asked: Asked) -> Answer:
        self.visible = min(self.visible + self._step, len(self.lines))
        after = int(asked.query["after"][0])
        return page(*self.lines[after : self.visible])


def texts(lines: Sequence[Any]) -> str:
    return "".join(f"{line['text']}\n" for line in lines)


def test_without_a_stream_the_log_is_asked_for(client: Client, stub: Stub) -> None:
    story = Story(stub, lines=7, step=3)
    ended = client("jobs", "watch", "7")
    assert ended.code == 0
    assert ended.out == texts(story.lines) + "N.DEV-00000007 is finished in END after 1m05s.\n"
    assert len(stub.asks("GET stream/")) == 1


def test_a_stream_that_breaks_loses_nothing_and_repeats_nothing(client: Client, stub: Stub) -> None:
    lines = [entry(number) for number in range(1, 10)]
    told = [event("log", {"job": 7, "entry": line}, 100 + line["id"]) for line in lines]
    other = event("log", {"job": 8, "entry": entry(1, "of another")}, 99)
    is_over = False

    def look(asked: Asked) -> Answer:
        return Answer(job(7, "error") if is_over else job(7))

    def log(asked: Asked) -> Answer:
        # What was said while nobody listened is in the log: lines 1 to 2 at first, 5 after the first loss.
        nonlocal is_over
        after = int(asked.query["after"][0])
        is_over = is_over or after == 6
        return page(*lines[after : {0: 2, 3: 5}.get(after, 9)])

    def last(asked: Asked) -> str:
        # One line is left out, as if it had been lost; one is told again.
        return told[4] + told[5] + told[7] + ": still here\n\n" + event("job", job(7, "error"), 120)

    stub.on("GET jobs/7/", look)
    stub.on("GET jobs/7/log/", log)
    broken = told[3][: len(told[3]) // 2]
    stub.on("GET stream/", other + told[1] + told[2] + broken, DROP, problem(503, "unavailable"), last)
    ended = client("jobs", "watch", "7")
    assert ended.code == Exit.JOB_ERROR
    assert ended.out == texts(lines) + "N.DEV-00000007 is error in END after 1m05s.\n"
    resumed = [asked.headers.get("Last-Event-ID") for asked in stub.asks("GET stream/")]
    assert resumed == [None, "103", "103", "103"]
    assert stub.asks("GET stream/")[0].query == {"q": ["N.DEV-00000007"]}


def test_an_event_that_the_server_forgot_begins_anew(client: Client, stub: Stub) -> None:
    Story(stub, lines=4, step=1)
    first = event("log", {"job": 8, "entry": entry(1)}, 1)
    stub.on("GET stream/", first, problem(400, "invalid"), "")
    assert client("jobs", "watch", "7").code == 0
    assert [asked.headers.get("Last-Event-ID") for asked in stub.asks("GET stream/")][:3] == [None, "1", None]


def test_programs_read_a_line_for_each_news(client: Client, stub: Stub) -> None:
    story = Story(stub, lines=2, step=1)
    found = [json.loads(line) for line in client("jobs", "watch", "7", "--json").out.splitlines()]
    assert [each["data"] for each in found if each["event"] == "log"] == story.lines
    assert found[-1] == {"event": "job", "data": job(7, "finished")}


def test_a_rerun_is_followed_from_its_first_line_on(client: Client, stub: Stub) -> None:
    first, second = [entry(1), entry(2)], [entry(3, attempt=2)]
    stub.on("GET jobs/7/", Answer(job()), Answer(job()), Answer(job(7, "finished", attempt=2)))
    asked_for: list[str] = []

    def log(asked: Asked) -> Answer:
        after, attempt = int(asked.query["after"][0]), asked.query.get("attempt", ["now"])[0]
        asked_for.append(attempt)
        if attempt == "1":
            return page(*first[after:])
        return page(*(second if len(asked_for) > 1 else first[:1]))

    stub.on("GET jobs/7/log/", log)
    assert client("jobs", "watch", "7", "--quiet").out == texts([*first, *second])
    assert asked_for == ["now", "1", "now"]


def test_why_a_job_waits_is_said_once(client: Client, stub: Stub) -> None:
    trap = {"error": "exit code 1"}
    blocker: dict[str, object] = {
        "kind": "trap",
        "detail": "Deploy failed",
        "since": None,
        "until": None,
        "who": [],
    }
    waiting = Answer(job(7, "trapped", trap=trap, blockers=[blocker]))
    stub.on("GET jobs/7/", Answer(job()), waiting, waiting, waiting, Answer(job(7, "finished")))
    stub.on("GET jobs/7/log/", page())
    ended = client("jobs", "watch", "7")
    assert ended.err.count("waits for trap: Deploy failed") == 1
    assert "exit code 1" in ended.err


def test_what_may_not_be_seen_any_more_ends_it(client: Client, stub: Stub) -> None:
    stub.on("GET jobs/7/", Answer(job()), Answer(job()), problem(404, "not_found"))
    stub.on("GET jobs/7/log/", page())
    assert client("jobs", "watch", "7").code == Exit.NOT_FOUND


def test_watching_ends_in_time(client: Client, stub: Stub) -> None:
    stub.on("GET jobs/7/", Answer(job()))
    stub.on("GET jobs/7/log/", page())
    assert client("jobs", "watch", "7", "--timeout", "1s").code == Exit.TIMED_OUT


def test_a_log_is_followed_with_filters_by_asking(client: Client, stub: Stub) -> None:
    story = Story(stub, lines=3, step=1)
    ended = client("jobs", "log", "7", "--follow", "--level", "info")
    assert ended.out == texts(story.lines)
    assert {tuple(asked.query["level"]) for asked in stub.asks("GET jobs/7/log/")} == {("info",)}
    assert client("jobs", "log", "7", "--follow", "--attempt", "1").code == Exit.USAGE


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("data: a\n\n", [ServerSentEvent("message", "a")]),
        ("event:job\nid:7\ndata:a\ndata: b\n\n", [ServerSentEvent("job", "a\nb", "7")]),
        (": comment\n\nevent: x\n\ndata: a", []),
        (
            "id: 1\ndata: a\n\ndata: b\n\n",
            [ServerSentEvent("message", "a", "1"), ServerSentEvent("message", "b", "1")],
        ),
    ],
)
def test_events_are_read_as_the_standard_has_it(text: str, events: list[ServerSentEvent]) -> None:
    assert list(parse_events(iter(text.split("\n")))) == events


def quiet(seconds: float) -> Callable[[Asked], Pieces]:
    """A stream on which nothing happens but that the server says that it is there."""

    def say(asked: Asked) -> Pieces:
        def comments() -> Iterator[bytes]:
            yield b"retry: 10\n\n"
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(0.05)
                yield b":\n"

        return Pieces(comments())

    return say


def test_the_time_is_over_however_quiet_a_job_is(client: Client, stub: Stub) -> None:
    stub.on("GET jobs/7/", Answer(job()))
    stub.on("GET jobs/7/log/", page())
    stub.on("GET stream/", quiet(20))
    begun = time.monotonic()
    assert client("jobs", "watch", "7", "--timeout", "1s").code == Exit.TIMED_OUT
    assert time.monotonic() - begun < 5


def test_the_time_is_over_when_nothing_is_said_at_all(client: Client, stub: Stub) -> None:
    def silent(asked: Asked) -> str:
        time.sleep(4)
        return DROP

    stub.on("GET jobs/7/", Answer(job()))
    stub.on("GET jobs/7/log/", page())
    stub.on("GET stream/", silent)
    begun = time.monotonic()
    ended = client("jobs", "watch", "7", "--timeout", "1s")
    assert ended.code == Exit.TIMED_OUT
    assert "trying to connect" not in ended.err
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize(
    ("now", "code"), [(problem(404, "not_found"), Exit.NOT_FOUND), (Answer(job(7, "error")), Exit.JOB_ERROR)]
)
def test_a_job_of_which_nothing_is_told_is_looked_at(
    client: Client, stub: Stub, monkeypatch: pytest.MonkeyPatch, now: Answer, code: Exit
) -> None:
    monkeypatch.setattr(following, "SILENCE_SECONDS", 0.2)
    stub.on("GET jobs/7/", Answer(job()), Answer(job()), Answer(job()), now)
    stub.on("GET jobs/7/log/", page())
    stub.on("GET stream/", quiet(20))
    begun = time.monotonic()
    assert client("jobs", "watch", "7").code == code
    assert time.monotonic() - begun < 5
