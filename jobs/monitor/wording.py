"""What the other parts say, in the reader's language.

Their messages are English, as the API and the database keep them. A page shows the translation of those that it knows; any other
message, such as one of a rule, is shown as it is.
"""

from __future__ import annotations

import re
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

ACTION_LABELS: Final[dict[str, Promise | str]] = {
    "create": gettext_lazy("Create"),
    "rerun": gettext_lazy("Rerun"),
    "reschedule": gettext_lazy("Reschedule"),
    "run_now": gettext_lazy("Run now"),
    "cancel": gettext_lazy("Cancel"),
    "approve": gettext_lazy("Approve"),
    "reject": gettext_lazy("Reject"),
    "retry": gettext_lazy("Retry"),
    "skip": gettext_lazy("Skip"),
    "abort": gettext_lazy("Abort"),
    "pause": gettext_lazy("Pause"),
    "resume": gettext_lazy("Resume"),
    "rollback": gettext_lazy("Roll back"),
    "delete": gettext_lazy("Delete"),
    "comment": gettext_lazy("Comment"),
    "expire": gettext_lazy("Expire"),
    "abandon": gettext_lazy("Declare dead"),
}
"""What people and the daemon do, by the name in the audit."""

ORIGIN_LABELS: Final[dict[str, Promise | str]] = {
    "rule": gettext_lazy("Rule"),
    "project": gettext_lazy("Project"),
    "environment": gettext_lazy("Environment"),
    "project_environment": gettext_lazy("Project in the environment"),
    "job": gettext_lazy("Job"),
}
"""Where a variable of a job comes from, from the weakest to the strongest."""

_WHOLE: Final = (
    gettext_noop("RUN waits for its scheduled date."),
    gettext_noop("Waits for a free worker."),
    gettext_noop("No worker was ever seen."),
    gettext_noop("No worker is there."),
    gettext_noop("The daemon has never run."),
    gettext_noop("The daemon does not run."),
    gettext_noop("Revisions need a project."),
    gettext_noop("It lies before the scheduled date: the job would expire before it may run."),
    gettext_noop("The date is too far away."),
    gettext_noop("The job would have expired already."),
    gettext_noop("The job was deleted at once."),
    gettext_noop("The command holds a NUL character."),
    gettext_noop("There is no command to run."),
    gettext_noop("The launcher of the worker died while the command was being started."),
    gettext_noop("The launcher of the worker was killed; the command was ended."),
    gettext_noop("The process that watches over the command was killed; the command was ended."),
    gettext_noop("The path is empty or holds a NUL character."),
    gettext_noop("The job has no revision of a project with a repository."),
    gettext_noop("git was stopped."),
    gettext_noop("Another job is fetching from the repository, and there was no time left to wait."),
    gettext_noop("The repository answers more than can be read."),
    gettext_noop("The user or the password in the repository's address holds a control character."),
    gettext_noop("It divides by zero."),
    gettext_noop("It cannot be worked out with these values."),
    gettext_noop("There is no text for this value: it is too large."),
    gettext_noop("The text holds a character that cannot be stored."),
)
_WITH_WORDS: Final = (
    # The first that fits is taken.
    gettext_noop("Unknown environment: %(word)s."),
    gettext_noop("Unknown project: %(word)s."),
    gettext_noop("The project %(word)s has no repository."),
    gettext_noop("%(word)s is not a name: use letters, digits and underscore."),
    gettext_noop("There is no tag, branch or commit %(word)s in %(place)s."),
    gettext_noop("%(word)s is not the name of a tag, branch or commit."),
    gettext_noop("There is no commit %(word)s in %(place)s."),
    gettext_noop("The worker %(worker)s is gone: its lease ran out at %(time)s UTC."),
    gettext_noop("It had not begun RUN by its max start date, %(time)s UTC."),
    gettext_noop("The time limit of %(limit)s ran out."),
    gettext_noop("The command ended with return code %(number)s."),
    gettext_noop("The command was ended by %(signal)s."),
    gettext_noop("Command not found: %(name)s"),
    gettext_noop("No permission to run %(name)s"),
    gettext_noop("The directory %(path)s does not exist."),
    gettext_noop("The directory %(path)s may not be entered."),
    gettext_noop("%(path)s is not a directory."),
    gettext_noop("%(name)s is neither a program nor a script that names its interpreter."),
    gettext_noop("The arguments and the environment of %(name)s are too long."),
    gettext_noop("git could not be started on the worker's machine: %(reason)s"),
    gettext_noop("%(name)s could not be started: %(reason)s"),
    gettext_noop("git ended with return code %(number)s."),
    gettext_noop("git was ended by signal %(number)s."),
    gettext_noop("git took longer than %(number)s seconds."),
    gettext_noop("The commit %(word)s is no longer in %(place)s."),
    gettext_noop("The path %(path)s leads out of the job's directory."),
    gettext_noop("The path %(path)s cannot be followed: %(error)s"),
    gettext_noop("%(path)s is there already and is no regular file."),
    gettext_noop("The condition still holds after %(number)s turns."),
    gettext_noop("items: %(written)s gives no list but %(kind)s."),
    gettext_noop("items: there are %(number)s, more than %(most)s."),
    gettext_noop("items: %(reason)s"),
    gettext_noop("when: %(reason)s"),
    gettext_noop("The name %(word)s is not known here."),
    gettext_noop("The text gets longer than %(number)s characters."),
    gettext_noop("%(word)s is not a duration; write 90s, 15m, 2h or 1d."),
    gettext_noop("%(word)s is out of bounds; write a duration above 0 and up to 365d."),
    gettext_noop("Internal error: %(error)s"),
    gettext_noop("The repository cannot be read: %(reason)s"),
    gettext_noop("The rule cannot run: %(reason)s"),
    gettext_noop("It is the same commit as %(word)s."),
)
_PATTERNS: Final = tuple(
    (re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(text)), re.DOTALL), text)
    for text in _WITH_WORDS
)


def translated(text: str) -> str:
    """Return ``text`` in the active language when it is one of the known messages; a reason in it is translated too."""
    if text in _WHOLE:
        return _(text)
    for pattern, known in _PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            holes = found.groupdict()
            if "reason" in holes:
                holes["reason"] = translated(holes["reason"])
            return _(known) % holes
    return text
