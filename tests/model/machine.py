"""The state machine: people, workers, the daemon and the clock act on the real job and on the model, which must agree."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from jobs.exceptions import JobError, StaleClaim
from permissions.exceptions import PermissionsError
from tests.model import comparison, driver
from tests.model.decisions import Asked, Refused, available, decide
from tests.model.driver import Scene
from tests.model.events import MINUTE, Dice, Happening, Mishaps, dice
from tests.model.model import Life
from tests.model.people import CREATORS, EVERYBODY, PEOPLE, Person
from tests.model.rules import RULES
from tests.model.world import Death, Probes

_OFTEN: Final = {"comment": 1, "delete": 1, "cancel": 1, "reject": 1, "reschedule": 2, "run_now": 2}
"""How often something that is allowed is chosen; four times when it is not named here."""
_TURNS: Final = 3
"""After how many looks at a job all people have been asked what they may do."""


class JobMachine(RuleBasedStateMachine):
    """One job after the other.

    Attributes:
        scene: What is there before any job.
        probes: The operation of the rules.
        seen: How often what happened, over all examples.
        salt: What makes the simplest example, with which Hypothesis begins, another one in each of its runs.
    """

    scene: ClassVar[Scene]
    probes: ClassVar[Probes]
    seen: ClassVar[Counter[str]]
    salt: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.offset = timedelta(0)
        self.life: Life
        self.job_id = 0
        self.runner: driver.Runner | None = None
        self.dying: driver.Runner | None = None
        self.gone: list[driver.Runner] = []
        self.settled: dict[str, Any] = {}
        self.known: dict[str, str | None] = {}
        self.moved = True
        self.acting: Person | None = None
        self.looks = self.salt
        self.began_at = self.now()

    def now(self) -> datetime:
        """The machine's clock: the real one, and what it was moved on."""
        return datetime.now(UTC) + self.offset

    def teardown(self) -> None:
        """Leave nothing for the next example."""
        driver.remove_all()

    def count(self, what: str) -> None:
        """Note that something happened."""
        self.seen[what] += 1

    @initialize(
        place=st.integers(0, len(RULES) - 1),
        creator=st.sampled_from(CREATORS),
        urgent=st.booleans(),
        delay=st.sampled_from([None, None, None, 10, 1500]),
        window=st.sampled_from([None, None, 60]),
        goes_on=st.sampled_from([True, True, True, False]),
    )
    def create(
        self, place: int, creator: str, urgent: bool, delay: int | None, window: int | None, goes_on: bool
    ) -> None:
        """Make the first job, and most often let INIT pass."""
        slug = sorted(RULES)[(place + self.salt) % len(RULES)]
        self.create_job(slug, creator, urgent=urgent, delay=delay, window=window)
        if goes_on:
            self.model_and_job_agree()
            self.began_at = self.now()
            self.go_on(Mishaps())

    def create_job(
        self, slug: str, creator: str, *, urgent: bool, delay: int | None, window: int | None
    ) -> None:
        """Make a job, at INIT and with a runner."""
        self.began_at = now = self.now()
        wait = None if delay is None else delay * MINUTE
        room = None if window is None else window * MINUTE
        user = self.scene.users[creator]
        self.runner = driver.create(slug, user, urgent=urgent, delay=wait, window=room)
        self.dying, self.gone = None, []
        self.job_id = self.runner.job.pk
        expiry = driver.EXPIRY_URGENT if urgent else driver.EXPIRY
        begins = now + (wait or timedelta(0))
        self.count(f"rule: {slug}")
        self.life = Life(RULES[slug], creator, expiry, begins, begins + (room or expiry))
        self.settled, self.known = {}, {}

    @rule(dice=dice)
    def happens(self, dice: Dice) -> None:
        """Let something happen."""
        self.began_at, self.acting = self.now(), None
        self.count("steps")
        if self.life.is_deleted and dice.choice % 2:
            self.create_job(self.life.rule.slug, self.life.creator, urgent=False, delay=None, window=None)
            return
        is_busy = self.life.runner != "nobody" or self.life.is_due(self.began_at)
        happening = dice.happening(is_busy=is_busy)
        note(f"    {happening.value}")
        match happening:
            case Happening.WORK:
                self.work(dice)
            case Happening.TAKE if self.runner is None:
                self.take()
            case Happening.DIE if self.runner is not None:
                self.worker_died()
            case Happening.WAKE if self.gone:
                self.wake(dice)
            case Happening.ADVANCE:
                self.advance(dice.minutes)
            case Happening.LATER_JOB_ENDS if not (self.life.is_active or self.life.later_job_ended_at):
                self.later_job_ends()
            case Happening.ASK_ALLOWED if not self.life.is_deleted:
                action, person = self.something_allowed(dice.choice)
                self.ask(action, person, dice)
            case Happening.ASK_ANYTHING | Happening.ASK_ALLOWED:
                self.ask(dice.action, EVERYBODY[dice.name], dice)
            case _:
                self.tick()

    # Workers.

    def work(self, dice: Dice) -> None:
        """A worker is at work."""
        if self.runner is None:
            self.take()
        while self.runner is not None:
            self.go_on(dice.mishaps)
            if dice.only_a_step:
                return

    def take(self) -> None:
        """A worker asks for work, and gets the job exactly when it is due."""
        is_due = not self.life.is_deleted and self.life.is_due(self.now())
        self.runner = driver.take_due()
        assert (self.runner is not None) == is_due, f"due: {is_due}, taken: {self.runner is not None}"
        self.count(f"taken: {is_due}")
        if is_due:
            self.life.take(self.began_at)

    def go_on(self, mishaps: Mishaps) -> None:
        """Let the runner run its step."""
        assert self.runner is not None
        world = mishaps.world(self.life)
        expected = self.life.run(world, self.began_at)
        self.probes.executed.clear()
        try:
            goes_on = self.runner.go_on(self.probes, world)
        except Death:
            assert self.life.runner == "dead"
            self.count("died at work")
            self.worker_died()
        else:
            assert self.life.runner != "dead"
            if goes_on:
                assert self.life.is_due(self.now()), "the runner went on with what is not due"
                self.life.take(self.began_at)
            else:
                self.runner = None
        assert self.probes.executed == expected, f"executed: {self.probes.executed}, expected: {expected}"

    def worker_died(self) -> None:
        """The runner is gone; its lease begins to run out."""
        assert self.runner is not None
        self.life.die(self.now())
        driver.lapse(self.job_id)
        self.dying, self.runner = self.runner, None

    def wake(self, dice: Dice) -> None:
        """A runner whose claim is gone goes on, and must come to nothing."""
        runner = self.gone[-1]
        before = driver.everything(self.job_id)
        self.probes.executed.clear()
        try:
            runner.go_on(self.probes, dice.mishaps.world(self.life))
        except StaleClaim:
            after = driver.everything(self.job_id)
            if runner.may_say_last_words:
                comparison.leave_out_last_words(before, after)
            said = comparison.differences(before, after)
            assert not said, f"a runner without a claim has written {said}"
            assert self.probes.executed == [], "a runner without a claim has executed something"
            self.count("woken in vain")
        else:
            raise AssertionError("A runner whose claim is gone went on.")

    def let_go(self) -> None:
        """Take note of a claim that was taken away from its runner."""
        if self.life.runner != "nobody" and not self.life.is_deleted:
            return
        for runner in (self.runner, self.dying):
            if runner is not None:
                runner.may_say_last_words = self.life.status == "cancelled"
                self.gone.append(runner)
        self.runner = self.dying = None

    # The daemon, the clock, and other jobs.

    def tick(self) -> None:
        """The daemon looks."""
        somebody_has_it = self.life.runner != "nobody"
        self.life.tick(self.now())
        driver.tick(somebody_has_it=somebody_has_it)
        self.let_go()

    def advance(self, minutes: int) -> None:
        """Time passes."""
        driver.shift(minutes * MINUTE, also_lease=self.life.runner == "dead")
        self.offset += minutes * MINUTE
        self.began_at, self.moved = self.now(), True

    def later_job_ends(self) -> None:
        """Another job ends after this one."""
        driver.end_later_job(self.scene)
        self.life.later_job_ended_at = self.now()

    # People.

    def ask(self, action: str, person: Person, dice: Dice) -> None:
        """Somebody asks for something."""
        now, self.acting = self.now(), person
        asked = Asked(action, person, dice.words.params(action, now), self.seen_by(dice.words.seen))
        note(f"    {person.name} asks for {action} {asked.params}, having seen {asked.seen}")
        status = self.life.status
        try:
            decide(self.life, asked, now)
        except Refused as refused:
            self.check_refused(asked, refused.codes)
        else:
            code = self.answer_to(asked)
            assert code is None, f"{action} of {person.name} {asked.params}: {code}, expected: accepted"
            self.check_audit(asked, status)
            self.count(f"accepted: {action}")
            self.let_go()

    def check_refused(self, asked: Asked, codes: tuple[str, ...]) -> None:
        """Check that the real code refuses for the same reason, and that nothing has changed."""
        code = self.answer_to(asked)
        assert code in codes, f"{asked.action} of {asked.person.name}: {code}, expected: {codes}"
        changed = comparison.differences(self.known, driver.everything(self.job_id))
        assert not changed, f"{asked.action} was refused and changed {changed}"
        self.count(f"refused: {code}")

    def something_allowed(self, choice: int) -> tuple[str, Person]:
        """Choose an action that somebody may do now, and somebody who may."""
        now = self.now()
        by_action: dict[str, list[Person]] = {}
        for person in PEOPLE:
            for action in available(self.life, person, now):
                by_action.setdefault(action, []).append(person)
        often = sorted(by_action, key=lambda action: (-_OFTEN.get(action, 4), action))
        actions = [action for action in often for _ in range(_OFTEN.get(action, 4))]
        # The simplest draw, which is the most frequent one, should not be the same action each time.
        choice += 3 * self.life.attempt + self.salt
        action = actions[choice % len(actions)]
        return action, by_action[action][choice // 7 % len(by_action[action])]

    def seen_by(self, kind: str) -> tuple[int, str] | None:
        """Return what somebody saw of the job, rightly or not."""
        attempt, status = self.life.attempt, self.life.status
        match kind:
            case "nothing":
                return None
            case "attempt":
                return attempt + 1, status
            case "status":
                return attempt, "ready" if status == "running" else "running"
            case _:
                return attempt, status

    def answer_to(self, asked: Asked) -> str | None:
        """Ask the real code; return why it refused, or nothing."""
        params = {
            name: value - self.offset if isinstance(value, datetime) else value
            for name, value in asked.params.items()
        }
        real = Asked(asked.action, asked.person, params, asked.seen)
        try:
            driver.act(self.job_id, real, self.scene.users[asked.person.name])
        except (JobError, PermissionsError) as error:
            return error.code
        return None

    def check_audit(self, asked: Asked, from_status: str) -> None:
        """Check that the decision left one record, and that it says what happened."""
        before, _ = json.loads(self.known["audit"] or "")
        records, newest = json.loads(driver.everything(self.job_id)["audit"] or "")
        assert records == before + 1, f"{asked.action} left {records - before} audit records"
        said: dict[str, Any] = {
            "action": asked.action,
            "user": asked.person.name,
            "from_status": from_status,
            "source": "api",
        }
        if not self.life.is_deleted:
            said |= {"to_status": self.life.status, "attempt": self.life.attempt}
        assert newest | said == newest, f"the audit says {newest}, which is not {said}"

    # After each step.

    @invariant()
    def model_and_job_agree(self) -> None:
        """Compare all that can be seen, unless neither the job's rows nor the clock have moved since it was compared."""
        if not self.job_id:
            return
        known, self.known = self.known, driver.everything(self.job_id)
        if self.known == known and not self.moved:
            return
        self.moved = False
        job = driver.load(self.job_id)
        if self.life.is_deleted:
            assert job is None, "the job is not gone"
            return
        assert job is not None, "the job is gone"
        self.count(f"at: {job.step} / {job.status}")
        note(f"    the job is at {job.step} / {job.status}, attempt {job.attempt}: {job.reason}")
        comparison.compare_state(self.life, job)
        dates = comparison.dates_of(job, self.known, self.offset)
        comparison.compare_dates(self.life, dates, self.settled, self.now() - self.began_at)
        self.life.settle(dates)
        self.settled = dates
        comparison.compare_waits(self.life, self.known)
        for person in self.asked_now():
            offered = driver.available(job, self.scene.users[person.name])
            expected = available(self.life, person, self.now())
            assert offered == expected, f"{person.name} at {job.step} / {job.status}: {offered ^ expected}"

    def asked_now(self) -> list[Person]:
        """Return who is asked what they may do: whoever has just acted, and a third of the others, each in turn."""
        self.looks += 1
        return [
            person
            for place, person in enumerate(PEOPLE)
            if person is self.acting or place % _TURNS == self.looks % _TURNS
        ]
