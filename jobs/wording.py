"""What the other parts say, in the reader's language.

Their messages are English, as the API and the database keep them. A page shows the translation of those that it knows; any other
message, such as one of a rule, is shown as it is.
"""

from __future__ import annotations

import re
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, pgettext_lazy

from rules import wording

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
    "comment": pgettext_lazy("action", "Comment"),
    "hold": pgettext_lazy("action", "Hold"),
    "release": gettext_lazy("Release"),
    "expire": gettext_lazy("Expire"),
    "abandon": gettext_lazy("Declare dead"),
    "remove_log": gettext_lazy("Remove the log"),
    "remove_files": gettext_lazy("Remove the files"),
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
    gettext_noop("Null characters are not allowed."),
    gettext_noop("Give this parameter once."),
    gettext_noop("Write the time in ISO 8601, such as 2026-03-01T10:00:00Z."),
    gettext_noop("Say the time zone, such as 2026-03-01T10:00:00Z."),
    gettext_noop("This time is out of range: use the years 1970 to 2200."),
    gettext_noop("RUN waits for its scheduled date."),
    gettext_noop("Waits for a free worker."),
    gettext_noop("No worker was ever seen."),
    gettext_noop("No worker is there."),
    gettext_noop("The daemon has never run."),
    gettext_noop("The daemon does not run."),
    gettext_noop("All workers are drained: none takes new work."),
    gettext_noop("The pattern is blank."),
    gettext_noop("Name users, groups, addresses or a webhook to tell."),
    gettext_noop("The subscription has no webhook."),
    gettext_noop("The pattern holds a line break or another control character."),
    gettext_noop("The pattern ends with a backslash that escapes nothing."),
    gettext_noop("The pattern opens a [ that no ] closes."),
    gettext_noop("The pattern names a class such as [:alpha:]; write the characters, such as [a-z]."),
    gettext_noop("The pattern holds a range that runs backwards, such as [z-a]."),
    gettext_noop("The pattern says no name: it would never match."),
    gettext_noop("Revisions need a project."),
    gettext_noop("It lies before the scheduled date: the job would expire before it may run."),
    gettext_noop("The date is too far away."),
    gettext_noop("The job would have expired already."),
    gettext_noop("Write the time in ISO 8601, such as 2026-03-01T10:00:00Z."),
    gettext_noop("This time is out of range: use the years 1970 to 2200."),
    gettext_noop("The job was deleted at once."),
    gettext_noop("The command holds a NUL character."),
    gettext_noop("There is no command to run."),
    gettext_noop("The launcher of the worker died while the command was being started."),
    gettext_noop("The launcher of the worker was killed; the command was ended."),
    gettext_noop("The process that watches over the command was killed; the command was ended."),
    gettext_noop("The path is empty or holds a NUL character."),
    gettext_noop("The job has no revision of a project with a repository."),
    gettext_noop("git was stopped."),
    gettext_noop("The repository has not all of its history: commits may be missing from the list."),
    gettext_noop("Another job is fetching from the repository, and there was no time left to wait."),
    gettext_noop("The repository answers more than can be read."),
    gettext_noop("Too many repositories are being looked at right now; try again."),
    gettext_noop("The user or the password in the repository's address holds a control character."),
    gettext_noop("The subject holds a line break or another control character."),
    gettext_noop("There is nobody to send the mail to."),
    gettext_noop("host must be a host alone: write the user under user."),
    gettext_noop("key is protected by a passphrase: give one without."),
    gettext_noop("key is no private key that can be read."),
    gettext_noop("url must begin with http:// or https:// and a host."),
    gettext_noop("url is no address that can be read."),
    gettext_noop(
        "host_key is no public key: write a line such as ssh-ed25519 AAAA…, without a name before it."
    ),
    gettext_noop("to holds a NUL character."),
    gettext_noop("CHECK cannot create jobs."),
    gettext_noop("Say why: a rejection needs a comment."),
    gettext_noop("Say why: forcing a rollback needs a comment."),
    gettext_noop("Only RUN waits for a date, so only its rerun can be run now."),
    gettext_noop("Only a rerun of POST takes an outcome: PRE and RUN make their own."),
    gettext_noop("The date is too far away: at most ten years from now."),
    gettext_noop("Say when."),
    gettext_noop("Nothing ran at that time."),
    gettext_noop("Who asked for it is gone."),
    gettext_noop("Write five fields: minute, hour, day of the month, month, day of the week."),
    gettext_noop("It never comes."),
    gettext_noop("Write something."),
    gettext_noop("PRE and RUN came to no result; a rerun of POST can say which one it is to go by."),
    gettext_noop("The trap's time ran out: abort."),
    gettext_noop("The trap's time ran out: skip."),
    gettext_noop("The trap's time ran out: retry."),
    gettext_noop("Name users, groups, addresses or a webhook to tell."),
    gettext_noop("The subscription has no webhook."),
    gettext_noop("This is no address that can be read."),
    gettext_noop("It must begin with http:// or https:// and a host."),
    gettext_noop("User, password and fragment are not sent; leave them out."),
    gettext_noop("The port must be between 1 and 65535."),
    gettext_noop("The host is no name that can be looked up."),
)
_WITH_WORDS: Final = (
    # The first that fits is taken.
    gettext_noop("Unknown value: %(word)s. Did you mean %(near)s?"),
    gettext_noop("Unknown value: %(word)s. Use one of: %(words)s."),
    gettext_noop("Unknown value: %(word)s."),
    gettext_noop("Use at most %(number)s characters."),
    gettext_noop("Give at most %(number)s values."),
    gettext_noop("%(before)s Undoing failed: %(reason)s"),
    gettext_noop("The mail could not be sent: %(reason)s"),
    gettext_noop("The contents cannot be settled: %(reason)s"),
    gettext_noop(
        "The commit %(word)s, which %(name)s brought here, is no longer in the repository: its history was rewritten, or the "
        "branch or tag that led to it was deleted. The commits are not known, and the natures are looked for in all files."
    ),
    gettext_noop(
        "The commit %(word)s, which %(name)s brought here, is no longer in the repository: its history was rewritten, or the "
        "branch or tag that led to it was deleted. It is compared with the copy that was fetched before."
    ),
    gettext_noop(
        "The commit %(word)s, which %(name)s brought here, is not in the repository, which has not all of its history. The "
        "commits are not known, and the natures are looked for in all files."
    ),
    gettext_noop(
        "The commit %(word)s, which %(name)s brought to %(environment)s, is no longer in the repository: its history was "
        "rewritten, or the branch or tag that led to it was deleted. The commits are not known."
    ),
    gettext_noop(
        "The commit %(word)s, which %(name)s brought to %(environment)s, is no longer in the repository: its history was "
        "rewritten, or the branch or tag that led to it was deleted. It is compared with the copy that was fetched before."
    ),
    gettext_noop(
        "The commit %(word)s, which %(name)s brought to %(environment)s, is not in the repository, which has not all of its "
        "history. The commits are not known."
    ),
    gettext_noop("It is not known whether the repository still has the same history and tags: %(reason)s"),
    gettext_noop("Looking for natures took longer than %(number)s seconds."),
    gettext_noop("The job was not created: %(reason)s"),
    gettext_noop("There is no active user %(word)s to send mail to."),
    gettext_noop("There is no group %(word)s to send mail to."),
    gettext_noop("The project %(word)s names the secret %(name)s, which is not set."),
    gettext_noop(
        "The secret %(name)s, which the project %(word)s names, cannot be decrypted with the present keys: set it again."
    ),
    gettext_noop(
        "The secret %(name)s, which the project %(word)s names, is no private key, as an ssh address needs it."
    ),
    gettext_noop(
        "The secret %(name)s, which the project %(word)s names, opens nothing: the repository has no address by https, http or "
        "ssh."
    ),
    gettext_noop(
        "The secret %(name)s, which the project %(word)s names, holds a control character, so it can be no password."
    ),
    gettext_noop("The secret %(name)s, which the project %(word)s names, was not accepted: %(reason)s"),
    gettext_noop("The secret %(name)s cannot be decrypted with the present keys: set it again."),
    gettext_noop("There is no %(name)s in the job's directory."),
    gettext_noop("The connection with %(host)s broke: %(error)s."),
    gettext_noop("The connection to %(host)s was lost in the middle of the copy."),
    gettext_noop("The link %(path)s leads out of the job's directory."),
    gettext_noop("The link %(path)s leads in a circle."),
    gettext_noop("The link %(path)s leads nowhere."),
    gettext_noop("The key of %(host)s cannot be trusted: %(error)s."),
    gettext_noop(
        "The key of %(host)s is not known: it offered %(key)s. When that is its key, put this line into %(file)s "
        "on the worker's machine, or what follows the name under host_key: %(line)s"
    ),
    gettext_noop("The port must be between 1 and 65535, not %(port)s."),
    gettext_noop("The command on %(host)s ended with return code %(number)s."),
    gettext_noop("The command on %(host)s was ended by %(signal)s."),
    gettext_noop("The header %(name)s holds a line break or another control character."),
    gettext_noop("There is no address for the name %(host)s: %(error)s."),
    gettext_noop("The certificate of %(host)s is not trusted: %(error)s."),
    gettext_noop("There is no TLS connection with %(host)s: %(error)s."),
    gettext_noop("The subject must have between 1 and %(number)s characters."),
    gettext_noop("There are two ports: %(one)s under host and %(other)s under port."),
    gettext_noop("The file of known hosts %(path)s cannot be read: %(error)s."),
    gettext_noop("host must be a name or name:port, not %(word)s."),
    gettext_noop("host must be a name or an address, not %(word)s."),
    gettext_noop("No address is known of %(names)s."),
    gettext_noop("Nobody is in the group %(word)s."),
    gettext_noop("Waits for approval: %(number)s of %(most)s signatures."),
    gettext_noop("There are more than %(number)s patterns."),
    gettext_noop("The pattern is longer than %(number)s characters."),
    gettext_noop("Trapped: %(reason)s"),
    gettext_noop("Waits for a slot of the semaphore %(name)s, held by %(jobs)s."),
    gettext_noop("Waits for a slot of the semaphore %(name)s."),
    gettext_noop(
        "Waiting for the semaphore %(name)s would never end: its holders wait for what this job holds."
    ),
    gettext_noop("The name of a semaphore has 1 to %(number)s characters."),
    gettext_noop("Rejected by %(user)s: %(comment)s"),
    gettext_noop("Cancelled by %(user)s: %(comment)s"),
    gettext_noop("Cancelled by %(user)s."),
    gettext_noop("%(step)s has not reached an operation %(name)s in attempt %(number)s."),
    gettext_noop("At most %(number)s characters."),
    gettext_noop("Write one of %(words)s."),
    gettext_noop("semaphore: %(reason)s"),
    gettext_noop("Unknown environment: %(word)s."),
    gettext_noop("Unknown project: %(word)s."),
    gettext_noop("The rule %(word)s has no version %(number)s."),
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
    gettext_noop("items: there are %(number)s, more than %(most)s."),
    gettext_noop("items: %(reason)s"),
    gettext_noop("when: %(reason)s"),
    gettext_noop("%(word)s is not a duration; write 90s, 15m, 2h or 1d."),
    gettext_noop("%(word)s is out of bounds; write a duration above 0 and up to 365d."),
    gettext_noop("Internal error: %(error)s"),
    gettext_noop("The repository cannot be read: %(reason)s"),
    gettext_noop("This machine cannot keep a copy of the repository: %(error)s."),
    gettext_noop("This machine cannot lend git what opens it: %(error)s."),
    gettext_noop("The rule cannot run: %(reason)s"),
    gettext_noop(
        "Version %(number)s of the rule lacks approvals or checks that version %(newest)s has: only administrators "
        "may still create a job of it."
    ),
    gettext_noop("It is the same commit as %(word)s."),
    gettext_noop("%(number)s jobs have created each other up to this one: it may not create another."),
    gettext_noop(
        "%(host)s has another key than the one that is known: it offered %(key)s, and %(known)s was expected. When "
        "it was set up anew, replace its line in %(file)s on the worker's machine: %(line)s"
    ),
    gettext_noop(
        "%(host)s has another key than the one under host_key: it offered %(key)s, and %(known)s was expected. "
        "When it was set up anew, write this under host_key: %(line)s"
    ),
    gettext_noop("%(question)s answered %(status)s, which was not expected: %(beginning)s"),
    gettext_noop("%(question)s answered %(status)s, which was not expected."),
    gettext_noop("%(host)s cannot put a file in another one's place: %(error)s."),
    gettext_noop("%(host)s does not take files by SFTP: %(error)s."),
    gettext_noop("%(path)s is a directory on %(host)s: end to with / to copy into it."),
    gettext_noop("%(host)s did not answer within %(seconds)s s."),
    gettext_noop("%(word)s cannot be the name of a header."),
    gettext_noop("%(path)s leads in a circle."),
    gettext_noop("%(path)s is neither a file nor a directory."),
    gettext_noop("%(user)s may not create jobs in %(environment)s."),
    gettext_noop("The job %(name)s of this schedule is active."),
    gettext_noop("It ran in another environment."),
    gettext_noop("The revision %(word)s is in the active job %(name)s already."),
    gettext_noop("CHECK refused: %(reason)s"),
    gettext_noop("No worker finished it in %(number)s tries."),
    gettext_noop("Very many runs were missed, from %(first)s to %(last)s UTC."),
    gettext_noop("%(number)s runs were missed, from %(first)s to %(last)s UTC."),
    gettext_noop("Its times cannot be worked out: %(reason)s"),
    gettext_noop("The field %(word)s cannot be read."),
    gettext_noop("Unknown alias; write one of %(words)s."),
    gettext_noop("%(host)s cannot be reached: %(error)s."),
    gettext_noop("%(path)s is no regular file any more."),
    gettext_noop("%(host)s refuses to run a command: %(error)s."),
    gettext_noop("%(path)s changed while it was copied."),
    gettext_noop("%(path)s cannot be written: %(error)s."),
    gettext_noop("%(host)s refuses %(word)s: %(error)s."),
    gettext_noop("%(word)s is no address: write user:NAME, group:NAME or an address."),
    gettext_noop(
        "%(host)s leads to %(address)s, which is not a public address. CLARIVE_WEBHOOK_PRIVATE_TARGETS can allow it."
    ),
)
_PATTERNS: Final = tuple(
    (re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(text)), re.DOTALL), text)
    for text in _WITH_WORDS
)

_PARTS: Final = frozenset({"reason", "before"})
"""Holes that hold a message of its own."""


def translated(text: str) -> str:
    """Return ``text`` in the active language when it is one of the known messages; a reason in it is translated too."""
    if text in _WHOLE:
        return _(text)
    for pattern, known in _PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            holes = found.groupdict()
            for name in _PARTS & holes.keys():
                holes[name] = translated(holes[name].strip())
            return _(known) % holes
    return wording.translated(text)
