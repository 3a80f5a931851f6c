"""Every kind of problem that the API answers: its title, its statuses, what it means and what to do.

``docs/problems.md`` is written from here: ``python -m jobs.api.problems > docs/problems.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TYPE: Final = "urn:clarive-monitor:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem.

    Attributes:
        status: Of HTTP.
        title: The same for all problems of the kind.
        meaning: What is wrong, in Markdown.
        advice: What the asker does about it, in Markdown.
    """

    status: int
    title: str
    meaning: str
    advice: str


_FIX: Final = "Correct what `errors` names; nothing was changed."
_AGAIN: Final = "Read the job again and decide anew."

KINDS: Final[dict[str, Kind]] = {
    "invalid": Kind(
        400,
        "Bad input",
        "A field, filter or parameter is unknown, missing, of the wrong type or out of range. `errors` names each: `field`,"
        " `revisions[0].ref` style for nested ones, and `message`, with the nearest known word.",
        _FIX,
    ),
    "malformed": Kind(
        400,
        "Malformed body",
        "The body is not JSON in UTF-8, holds a name twice in one object, or is nested too deeply. `errors[0]` says `line`"
        " and `column` where the parser stopped.",
        "Send JSON as RFC 8259 has it.",
    ),
    "bad_request": Kind(
        400,
        "Unusable request",
        "The request cannot be read at all: a host that is not served, too many parameters.",
        "Look at the address and the header `Host`; administrators name hosts in `CLARIVE_ALLOWED_HOSTS`.",
    ),
    "rule_invalid": Kind(
        400,
        "Invalid rule",
        "The source of a rule does not validate. Each of `errors` has `line`, `column`, `message` and `hint`.",
        "Correct the source; `POST rules/validate/` tries it without saving.",
    ),
    "too_many": Kind(
        400,
        "Too many jobs",
        "The filter of `jobs/bulk/` matches more jobs than its `limit`; `matching` says how many. Nothing was done.",
        "Narrow the filter, or go through the pages and send `ids`.",
    ),
    "not_authenticated": Kind(
        401, "Sign-in needed", "Nobody said who asks.", "Send `Authorization: Bearer <token>`."
    ),
    "authentication_failed": Kind(
        401,
        "Sign-in failed",
        "The token is unknown or expired, its user is inactive, or the header is not written as it should be.",
        "Make a new token at `/account/`.",
    ),
    "permission_denied": Kind(
        403,
        "Not allowed",
        "It is for administrators, or a session came without its CSRF token.",
        "Ask an administrator; programs send a token instead of a session.",
    ),
    "right_missing": Kind(
        403,
        "Right missing",
        "The job is visible, but the right that `right` names is not held in its environment.",
        "Ask an administrator for the right.",
    ),
    "creator_excluded": Kind(
        403,
        "Creator excluded",
        "The approval does not let the creator of the job sign.",
        "Let somebody else sign.",
    ),
    "not_found": Kind(
        404,
        "Not found",
        "There is no such address or thing, or it lies in an environment that the asker may not see.",
        "Addresses end with a slash. Look at the code or number, and at the rights in `GET me/`.",
    ),
    "method_not_allowed": Kind(
        405, "Method not allowed", "The address does not know the method.", "Use one that `Allow` names."
    ),
    "not_acceptable": Kind(
        406,
        "Not acceptable",
        "`Accept` names no form that there is.",
        "Accept `application/json`; the log's download is `text/plain` or `application/x-ndjson`.",
    ),
    "transition_not_allowed": Kind(
        409,
        "Not possible now",
        "The status of the job does not allow the action; `detail` names job, status and action.",
        "Look at `actions` of the job for what is possible.",
    ),
    "job_changed": Kind(409, "Job changed", "The job is no longer as `seen` says.", _AGAIN),
    "already_signed": Kind(
        409, "Signed already", "The asker has signed this approval; a person counts once.", "Nothing."
    ),
    "no_retries_left": Kind(
        409,
        "No retries left",
        "The trap was retried as often as the rule allows.",
        "Answer `skip` or `abort`, or cancel the job.",
    ),
    "later_jobs": Kind(
        409,
        "Later jobs",
        "Later jobs, named in `jobs`, stand on what is to be rolled back.",
        "Roll those back first, or send `force` with a comment.",
    ),
    "revision_in_active_job": Kind(
        409,
        "Revision in an active job",
        "A revision is under way into this environment in the active job that `job` names.",
        "Wait for that job, or cancel it.",
    ),
    "code_taken": Kind(
        409, "Code taken", "There is something with this code already.", "Choose another code, or change that one."
    ),
    "name_taken": Kind(
        409,
        "Name taken",
        "There is a user, group or schedule with this name already.",
        "Choose another name, or change that one.",
    ),
    "grant_exists": Kind(
        409,
        "Grant exists",
        "The principal has rights in this environment already; `id` says which grant.",
        "Change that grant with PATCH `grants/{id}/`.",
    ),
    "last_superuser": Kind(
        409,
        "Last superuser",
        "Without this user nobody could administer the product any more.",
        "Make another user a superuser first.",
    ),
    "configuration_invalid": Kind(
        400,
        "Invalid configuration",
        "A document of `apply/` has mistakes; each of `errors` names its document, line and message. Nothing was changed.",
        "Correct the documents; `dry_run` tries them without changing anything.",
    ),
    "files_missing": Kind(
        400,
        "Files missing",
        "A document of `apply/` names files that were not sent with it; `errors` names them.",
        "Send their texts in `files`.",
    ),
    "delivery_under_way": Kind(
        409,
        "Delivery under way",
        "The delivery is being sent at this moment.",
        "Look again in a minute.",
    ),
    "rule_exists": Kind(
        409,
        "Rule exists",
        "There is a rule with this name already.",
        "Send the source to `rules/{slug}/versions/`.",
    ),
    "referenced": Kind(
        409,
        "In use",
        "Something refers to it: `references` names what the asker may see, `others` counts the rest.",
        "Change or delete that first.",
    ),
    "changed_meanwhile": Kind(
        409,
        "Changed meanwhile",
        "Something that the request is about was deleted while it was done. Nothing was changed.",
        "Read it again and decide anew.",
    ),
    "idempotency_key_reused": Kind(
        409,
        "Idempotency-Key used",
        "The key was used for a request with another body or address.",
        "Use a new key for each thing to do.",
    ),
    "idempotency_key_in_use": Kind(
        409,
        "Idempotency-Key in use",
        "The first request with this key has no answer yet.",
        "Send it again after `Retry-After`. When that request died half-way, look whether its work was done.",
    ),
    "too_large": Kind(
        413,
        "Body too large",
        "The body has more than 2,621,440 bytes. It was not read, and the connection ends.",
        "Send less.",
    ),
    "unsupported_media_type": Kind(
        415,
        "Unsupported body",
        "The body is not said to be JSON, or comes compressed.",
        "Send `Content-Type: application/json`, uncompressed.",
    ),
    "check_failed": Kind(
        422,
        "Refused by the rule",
        "CHECK refused the job: `detail` is the rule's message, `operation` where. No job was created.",
        "Do what the message says.",
    ),
    "throttled": Kind(
        429,
        "Too many requests",
        "The token, user or address asked more often than `CLARIVE_API_RATE` allows.",
        "Wait `Retry-After` seconds. `RateLimit` says with each answer how many more may follow.",
    ),
    "internal_error": Kind(
        500,
        "Internal error",
        "A defect. What happened is in the log of the web process and not in the answer.",
        "Tell an administrator when it was.",
    ),
    "no_worker": Kind(
        503,
        "No worker",
        "No worker answered in time, so no job was created, also when one takes it up later.",
        "Try again; look at `/readyz`.",
    ),
    "unavailable": Kind(
        503, "Unavailable", "The database does not answer.", "Try again after `Retry-After`, with an `Idempotency-Key`."
    ),
}  # fmt: skip
"""By ``code``, which is stable. What is not here has the phrase of its status as title."""


def title_of(code: str) -> str:
    """Return the title of a kind of problem, empty when the code is unknown."""
    kind = KINDS.get(code)
    return kind.title if kind is not None else ""


def render() -> str:
    """Return the page about all problems."""
    lines = [
        "# Problems",
        "",
        "Written by `python -m jobs.api.problems > docs/problems.md`; never edited.",
        "",
        "Every refusal below `/api/` is `application/problem+json` (RFC 9457) with `type`, `title`, `status`, `detail` and"
        " `code`. `code` is stable and made for programs to branch on, `detail` is a sentence for people, and `type` is",
        f"`{TYPE}` with the code. Bad input has `errors: [{{field, message}}]`, all mistakes at once.",
        "",
        "What cannot be read as HTTP at all (an address or header of more than 64 KiB, a length that is no number) is answered"
        " by the web server before the product sees it: 400 in plain text.",
        "",
        "| status | code | title | what it means | what to do |",
        "| --- | --- | --- | --- | --- |",
    ]
    for code, kind in KINDS.items():
        lines.append(f"| {kind.status} | `{code}` | {kind.title} | {kind.meaning} | {kind.advice} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    import sys

    sys.stdout.write(render())
