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
)
_WITH_WORDS: Final = (
    gettext_noop("Unknown environment: %(word)s."),
    gettext_noop("Unknown project: %(word)s."),
    gettext_noop("The project %(word)s has no repository."),
    gettext_noop("%(word)s is not a name: use letters, digits and underscore."),
    gettext_noop("There is no tag, branch or commit %(word)s in %(place)s."),
    gettext_noop("%(word)s is not the name of a tag, branch or commit."),
    gettext_noop("There is no commit %(word)s in %(place)s."),
    gettext_noop("The worker %(worker)s is gone: its lease ran out at %(time)s UTC."),
    gettext_noop("It had not begun RUN by its max start date, %(time)s UTC."),
)
_PATTERNS: Final = tuple(
    (re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(text)), re.DOTALL), text)
    for text in _WITH_WORDS
)


def translated(text: str) -> str:
    """Return ``text`` in the active language when it is one of the known messages."""
    if text in _WHOLE:
        return _(text)
    for pattern, known in _PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            return _(known) % found.groupdict()
    return text
