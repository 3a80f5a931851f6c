"""What the triggers write, and how far it may be read while others still write."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from jobs.bundle import Bundle
from jobs.lifecycle import Event as Happening
from jobs.log.assembly import Place
from jobs.log.writer import append_entry, batch_of
from jobs.models import Event, Job
from jobs.stream import reading, retention
from jobs.stream.position import Position
from jobs.stream.reading import Row
from permissions import sessions, tokens
from permissions.catalog import Right
from permissions.models import ApiToken, User
from tests.factories import EnvironmentFactory, GroupFactory, JobFactory, UserFactory, grant, happen
from tests.sessions import other_connection


def settled(after: int) -> list[Row]:
    """Return what a careful reader gets."""
    up_to = reading.horizon()
    return reading.rows_after(Position(after), up_to, 100)


def committed(after: int) -> list[int]:
    """Return what is in sight after a number, as one who reads by the number alone sees it."""
    return list(Event.objects.filter(id__gt=after).order_by("id").values_list("id", flat=True))


def newest() -> int:
    return Event.objects.order_by("-id").values_list("id", flat=True).first() or 0


@pytest.mark.django_db(transaction=True)
class TestHorizon:
    def test_a_number_that_is_not_committed_yet_is_not_passed(self) -> None:
        first, second = JobFactory.create(), JobFactory.create()
        before = reading.horizon()
        with other_connection() as late, other_connection() as early:
            late.execute("UPDATE jobs_job SET comment = 'first' WHERE id = %s", [first.pk])
            early.execute("UPDATE jobs_job SET comment = 'second' WHERE id = %s", [second.pk])
            early.commit()

            # Who reads by the number alone takes the second for the newest, and never sees the first.
            by_number = committed(before)
            assert [row.job_id for row in settled(before)] == []
            late.commit()
            lost = set(committed(before)) - set(by_number) - set(committed(by_number[-1]))
            assert len(lost) == 1

        assert [row.job_id for row in settled(before)] == [first.pk, second.pk]

    def test_what_happened_to_a_job_is_in_order_though_the_later_one_began_earlier(self) -> None:
        job, other = JobFactory.create(), JobFactory.create()
        before = reading.horizon()
        with other_connection() as old:
            # Its transaction has the lower number, so an order by transactions would tell these two the wrong way round.
            old.execute("UPDATE jobs_job SET log_lines = 0 WHERE id = %s", [other.pk])
            Job.objects.filter(pk=job.pk).update(comment="before")
            assert [row.data["comment"] for row in settled(before)] == ["before"]
            old.execute("UPDATE jobs_job SET comment = 'after' WHERE id = %s", [job.pk])
            old.commit()
        assert [row.data["comment"] for row in settled(before)] == ["before", "after"]

    def test_a_transaction_of_others_that_writes_no_events_holds_nobody_up(self) -> None:
        job, other = JobFactory.create(), JobFactory.create()
        before = reading.horizon()
        with other_connection() as busy:
            busy.execute("UPDATE jobs_job SET log_lines = 0 WHERE id = %s", [other.pk])
            Job.objects.filter(pk=job.pk).update(comment="told")
            assert [row.job_id for row in settled(before)] == [job.pk]

    def test_what_is_rolled_back_is_passed(self) -> None:
        job = JobFactory.create()
        before = reading.horizon()
        with transaction.atomic():
            savepoint = transaction.savepoint()
            Job.objects.filter(pk=job.pk).update(comment="never")
            transaction.savepoint_rollback(savepoint)
            assert reading.horizon() > before, "the savepoint takes its lock along"
            Job.objects.filter(pk=job.pk).update(comment="kept")
        assert [row.data["comment"] for row in settled(before)] == ["kept"]
        assert reading.horizon() == newest()

    def test_numbers_that_outgrow_the_lock_are_no_trouble(self) -> None:
        job, other = JobFactory.create(), JobFactory.create()
        with connection.cursor() as cursor:
            cursor.execute("SELECT setval('jobs_event_id_seq', %s)", [(1 << 32) - 2])
        try:
            before = reading.horizon()
            with other_connection() as late:
                late.execute("UPDATE jobs_job SET comment = 'late' WHERE id = %s", [job.pk])
                for number in range(5):
                    Job.objects.filter(pk=other.pk).update(comment=str(number))
                assert settled(before) == []
                late.commit()
            assert [row.data["comment"] for row in settled(before)] == ["late", *"01234"]
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT setval('jobs_event_id_seq', 1)")
                Event.objects.all().delete()


@pytest.mark.django_db
class TestWhatIsWritten:
    def test_a_change_that_lists_show_is_one_event(self) -> None:
        job = JobFactory.create()
        before = newest()
        happen(job, Happening.STEP_OK)
        rows = Event.objects.filter(id__gt=before)
        assert [row.kind for row in rows] == ["job"]
        told = rows[0].data
        job = Job.objects.get(pk=job.pk)
        assert (told["status"], told["step"]) == (job.status, job.step)
        assert rows[0].environment_id == job.environment_id

    def test_what_no_list_shows_is_none(self) -> None:
        job = JobFactory.create()
        before = newest()
        Job.objects.filter(pk=job.pk).update(log_lines=7, lease_expires_at=timezone.now())
        assert committed(before) == []

    def test_lines_of_a_log_are_told_with_the_job_as_it_was(self) -> None:
        job = JobFactory.create()
        before = newest()
        append_entry(job.pk, 1, "INIT", "info", "one\ntwo")
        row = Event.objects.get(id__gt=before)
        assert (row.kind, row.data["first"], row.data["last"]) == ("log", 1, 2)
        assert row.data["state"]["status"] == job.status

    def test_lines_that_are_written_together_are_one_event_as_long_as_they_are_few(self) -> None:
        job = JobFactory.create()
        before = newest()
        place = Place("INIT")
        batch = batch_of(job.pk, 1, place, [("info", "one"), ("info", "two")], timezone.now())
        big = [replace(chunk, block=replace(chunk.block, size=50_000)) for chunk in batch.chunks]
        with transaction.atomic():
            for chunks in ([*batch.chunks] * 3, big * 5):
                bundle = Bundle()
                Job.objects.filter(pk=job.pk).update(
                    log_lines=replace(batch, chunks=chunks).add_to(
                        bundle, Job.objects.values_list("log_lines", flat=True).get(pk=job.pk)
                    )
                )
                bundle.send()
        rows = Event.objects.filter(id__gt=before, kind="log").order_by("id")
        # Those that begin within the same 65,536 bytes are told together.
        assert [(row.data["first"], row.data["last"]) for row in rows] == [
            (1, 6),
            (7, 10),
            (11, 12),
            (13, 14),
            (15, 16),
        ]

    def test_a_job_that_goes_is_told_with_what_lists_are_narrowed_by(self) -> None:
        job = JobFactory.at("END", "finished")
        expected = {
            "id": job.pk,
            "type": job.type,
            "environment": job.environment.code,
            "project": job.project.code if job.project else None,
            "rule": job.rule.slug,
            "created_by": job.created_by.username,
        }
        before = newest()
        job.delete()
        assert [(row.kind, row.data) for row in Event.objects.filter(id__gt=before)] == [
            ("deleted", expected)
        ]


@pytest.mark.django_db
class TestRights:
    @pytest.fixture
    def user(self) -> User:
        return UserFactory.create()

    def changes_of(self, before: int) -> list[object]:
        return [row.data for row in Event.objects.filter(id__gt=before, kind="rights").order_by("id")]

    def test_each_change_of_what_somebody_may_do_is_told(self, user: User) -> None:
        environment, group = EnvironmentFactory.create(), GroupFactory.create()
        token = ApiToken.objects.get(digest=tokens.digest(tokens.issue(user)))
        of_user: dict[str, int] = {"user": user.pk}
        everybody: dict[str, int] = {}
        for what, act, expected in [
            ("a grant", lambda: grant(user, Right.VIEW_MONITOR, environments=[environment]), of_user),
            ("one on all", lambda: grant(user, Right.VIEW_MONITOR), of_user),
            (
                "a grant to a group",
                lambda: grant(group, Right.VIEW_MONITOR, environments=[environment]),
                everybody,
            ),
            ("one on all to it", lambda: grant(group, Right.VIEW_MONITOR), everybody),
            ("membership", lambda: user.groups.add(group), of_user),
            ("no membership", lambda: user.groups.clear(), of_user),
            ("a group that goes", lambda: group.delete(), everybody),
            (
                "a limit",
                lambda: ApiToken.objects.filter(pk=token.pk).update(rights=["view_monitor"]),
                of_user,
            ),
            ("a token that goes", lambda: token.delete(), of_user),
            ("sessions", lambda: sessions.end_all(user), of_user),
            ("inactive", lambda: User.objects.filter(pk=user.pk).update(is_active=False), of_user),
            ("a new environment", lambda: EnvironmentFactory.create(), everybody),
        ]:
            before = newest()
            act()  # type: ignore[no-untyped-call]
            told = self.changes_of(before)
            assert expected in told, what

    def test_signing_in_and_using_a_token_is_no_change(self, user: User) -> None:
        issued = tokens.issue(user)
        before = newest()
        User.objects.filter(pk=user.pk).update(last_login=timezone.now(), language="en")
        tokens.owner(issued, now=timezone.now())
        assert self.changes_of(before) == []


@pytest.mark.django_db
class TestRetention:
    def test_old_events_go_in_batches_and_the_newest_of_them_stays(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "AT_ONCE", 3)
        now = timezone.now()
        Event.objects.all().delete()
        old = now - timedelta(hours=25)
        Event.objects.bulk_create(Event(kind="rights", data={}, at=old) for _ in range(7))
        kept = Event.objects.create(kind="rights", data={}, at=now)
        counts = []
        while count := retention.forget_events(now):
            counts.append(count)
        assert counts == [2, 2, 2]
        marker, last = Event.objects.order_by("id").values_list("id", flat=True)
        assert last == kept.pk
        assert reading.is_covered(Position(marker))
        assert not reading.is_covered(Position(marker - 2))

    def test_it_costs_a_look_when_there_is_nothing_old(self, django_assert_num_queries: object) -> None:
        JobFactory.create()
        with django_assert_num_queries(1):  # type: ignore[operator]
            assert retention.forget_events(timezone.now()) == 0

    def test_a_number_that_was_never_given_out_is_not_covered(self) -> None:
        JobFactory.create()
        assert not reading.is_covered(Position(newest() + 1000))
        assert reading.is_covered(Position(newest()))
