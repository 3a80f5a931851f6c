"""What each operation of the palette takes, says and holds: schemas, help texts and blocks, as data only.

The modules beside this one add what executes them. The schemas describe the value under the palette key
with child operations taken out (for ``group`` nothing is left: null). ``x-kind`` says what a string is, see
``rules.engine.registry.OperationType``; ``x-hint`` is what the editor suggests when the value does not fit.
"""

from __future__ import annotations

from typing import Final

from rules.engine.registry import Block, Schema
from rules.marking import gettext_noop

RULE_SLUG_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,99}\Z"
MAX_WHILE_TURNS: Final = 100_000
MAX_BRANCHES: Final = 32
LOG_LEVELS: Final = ("debug", "info", "warning", "error")

# --- control --------------------------------------------------------------------------------

GROUP_SCHEMA: Final[Schema] = {"type": "null"}
GROUP_HELP: Final = gettext_noop(
    "Runs its operations one after the other. Options written on the group act on the whole of it: a "
    "retry runs all of it again, a timeout bounds all of it, on_error says what its failure means."
)
GROUP_BLOCKS: Final = (Block("group", "argument", required=True),)

IF_SCHEMA: Final[Schema] = {
    "type": ["string", "boolean"],
    "minLength": 1,
    "x-kind": "expression",
    "x-hint": 'Write a condition such as environment == "PROD".',
}
IF_HELP: Final = gettext_noop(
    "Runs the operations under then when the condition holds, otherwise those under else, when there "
    "are any. The condition is an expression, without braces."
)
IF_BLOCKS: Final = (
    Block("then", "sibling", "then", required=True),
    Block("else", "sibling", "else"),
)

FOREACH_SCHEMA: Final[Schema] = {
    "type": "object",
    "properties": {
        "items": {
            "type": ["string", "array"],
            "minLength": 1,
            "x-kind": "expression",
            "x-hint": "Write a list, or an expression that gives one, such as revisions.",
        },
        "as": {"type": "string", "x-kind": "name", "default": "item"},
    },
    "required": ["items"],
    "additionalProperties": False,
    "x-hint": "Write items (a list or an expression), as (a name) and do (the operations).",
}
FOREACH_HELP: Final = gettext_noop(
    "Runs the operations under do once for each of the items, which are a list or an expression that "
    "gives one. Inside, the item is known under the name given with as (item when left out)."
)
FOREACH_BLOCKS: Final = (Block("foreach", "member", "do", required=True),)

WHILE_SCHEMA: Final[Schema] = {
    "type": "object",
    "properties": {
        "condition": {
            "type": ["string", "boolean"],
            "minLength": 1,
            "x-kind": "expression",
            "x-hint": "Write a condition such as variables.tries < 3.",
        },
        "max": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_WHILE_TURNS,
            "x-hint": "Say how many turns there may be at most, a number from 1 to 100000.",
        },
    },
    "required": ["condition", "max"],
    "additionalProperties": False,
    "x-hint": "Write condition, max (the most turns there may be) and do (the operations).",
}
WHILE_HELP: Final = gettext_noop(
    "Runs the operations under do again and again as long as the condition holds, at most max times; "
    "when it still holds then, the operation fails."
)
WHILE_BLOCKS: Final = (Block("while", "member", "do", required=True),)

PARALLEL_SCHEMA: Final[Schema] = {"type": "null"}
PARALLEL_HELP: Final = gettext_noop(
    "Runs its operations at the same time, each as a branch of its own; for several operations in one branch "
    "write a group. It ends when all branches have ended, and fails when one of them failed. No branch may "
    "hold an approval; a branch whose semaphore has no free slot waits in place."
)
PARALLEL_BLOCKS: Final = (Block("parallel", "argument", required=True, waits=False, most=MAX_BRANCHES),)

TRY_SCHEMA: Final[Schema] = {"type": "null"}
TRY_HELP: Final = gettext_noop(
    "Runs its operations; when one fails, those under catch run instead of failing, and know why as "
    "error.message and where as error.operation. The operations "
    "under finally run in any case. At least one of catch and finally must be there."
)
TRY_BLOCKS: Final = (
    Block("try", "argument", required=True),
    Block("catch", "sibling", "catch", one_of="handlers", binds=("error",)),
    Block("finally", "sibling", "finally", one_of="handlers"),
)

RULE_SCHEMA: Final[Schema] = {
    "type": "string",
    "pattern": RULE_SLUG_PATTERN,
    "x-kind": "literal",
    "x-hint": "Write the name of a rule as it is, without a template.",
}
RULE_HELP: Final = gettext_noop(
    "Runs the operations that another rule has in the same step. The version of that rule is fixed "
    "when the job is created."
)
RULE_BLOCKS: Final = (Block("rule", "linked"),)

FAIL_SCHEMA: Final[Schema] = {"type": "string", "minLength": 1}
FAIL_HELP: Final = gettext_noop(
    "Fails with this text. Together with when it is the way to check that something is as it must be."
)

# --- data --------------------------------------------------------------------------------

SET_SCHEMA: Final[Schema] = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"x-kind": "name"},
    "additionalProperties": {},
    "x-hint": "Write names and values, such as set: {service: shop}.",
}
SET_HELP: Final = gettext_noop(
    "Gives variables a value, to be read as variables.name from then on. A value that is exactly one "
    "{{ … }} keeps its type: a list stays a list, a number a number."
)

LOG_SCHEMA: Final[Schema] = {
    "type": ["string", "object"],
    "properties": {"text": {"type": "string"}, "level": {"type": "string", "enum": list(LOG_LEVELS)}},
    "required": ["text"],
    "additionalProperties": False,
    "x-hint": "Write a text, or text and level.",
}
LOG_HELP: Final = gettext_noop(
    "Writes a line into the job's log: a text, or text and level (debug, info, warning, error)."
)

# --- people ------------------------------------------------------------------------------

APPROVAL_SCHEMA: Final[Schema] = {
    "type": ["object", "null"],
    "properties": {
        "approvers": {
            "type": "array",
            "items": {
                "type": "string",
                "minLength": 1,
                "pattern": r"^\s*(user|group):\s*\S",
                "x-hint": "Write user:ana or group:qa.",
            },
            "x-hint": 'Write a list: ["group:qa", "user:ana"].',
        },
        "min": {"type": "integer", "minimum": 1, "maximum": 100},
        "exclude_creator": {"type": "boolean"},
    },
    "additionalProperties": False,
    "x-hint": 'Write approvers (a list such as ["group:qa"]), min and exclude_creator.',
}
APPROVAL_HELP: Final = gettext_noop(
    "Makes the job wait until as many of the approvers as min says (1 when left out) have approved it, or one of "
    "them has rejected it. With exclude_creator whoever created the job does not count. Whoever holds the right "
    "approve_all may sign although not listed. The job holds no worker meanwhile. With save_as the name holds "
    "approved_by."
)

# --- work --------------------------------------------------------------------------------

RUN_SCHEMA: Final[Schema] = {
    "type": ["string", "array"],
    "minLength": 1,
    "minItems": 1,
    "items": {"type": "string"},
    "x-hint": "Write a shell command, or a list of a program and its arguments.",
}
RUN_HELP: Final = gettext_noop(
    "Runs a command in the job's directory: a text is given to the shell, a list is a program and its "
    "arguments without a shell. Its output goes to the log as it comes; it fails on a return code "
    "other than 0. With save_as the name holds returncode and output."
)

WRITE_SCHEMA: Final[Schema] = {
    "type": "object",
    "properties": {"path": {"type": "string", "minLength": 1}, "content": {"type": "string"}},
    "required": ["path", "content"],
    "additionalProperties": False,
    "x-hint": "Write path and content.",
}
WRITE_HELP: Final = gettext_noop(
    "Writes a file: path is relative to the job's directory, content is its text."
)

GIT_SCHEMA: Final[Schema] = {
    "type": ["object", "null"],
    "properties": {"directory": {"type": "string", "minLength": 1}},
    "additionalProperties": False,
    "x-hint": "Write git: {} or git: {directory: source}.",
}
GIT_HELP: Final = gettext_noop(
    "Checks the job's first revision out of the project's repository into the job's directory, or "
    "into the directory below it that is named."
)

SLEEP_SCHEMA: Final[Schema] = {"type": "string", "x-kind": "duration"}
SLEEP_HELP: Final = gettext_noop(
    "Waits for a time such as 5s, 2m or 1h. The worker stays occupied meanwhile."
)

# --- other hosts and services ------------------------------------------------------------

_HOST: Final[Schema] = {"type": "string", "minLength": 1, "x-hint": "Write a name, or name:port."}
_PORT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 65535}

SSH_SCHEMA: Final[Schema] = {
    "type": "object",
    "properties": {
        "host": _HOST,
        "user": {"type": "string", "minLength": 1},
        "run": {"type": "string", "minLength": 1},
        "key": {"type": "string", "minLength": 1},
        "port": _PORT,
        "host_key": {"type": "string", "minLength": 1},
    },
    "required": ["host", "run"],
    "additionalProperties": False,
    "x-hint": "Write host, user, run and key.",
}
SSH_HELP: Final = gettext_noop(
    "Runs a command on another host by SSH. The text of run is all that is sent; its output goes to the log as it "
    "comes, and it fails on a return code other than 0. With save_as the name holds returncode and output. key is "
    "the text of a private key, such as {{ secrets.deploy_key }}; without it the worker's own keys are used. The "
    "host's key must be known: in the worker's file of known hosts, or under host_key."
)

COPY_SCHEMA: Final[Schema] = {
    "type": "object",
    "properties": {
        "host": _HOST,
        "from": {"type": "string", "minLength": 1},
        "to": {"type": "string", "minLength": 1},
        "user": {"type": "string", "minLength": 1},
        "key": {"type": "string", "minLength": 1},
        "port": _PORT,
        "host_key": {"type": "string", "minLength": 1},
    },
    "required": ["host", "from", "to"],
    "additionalProperties": False,
    "x-hint": "Write host, from (in the job's directory) and to (on the host).",
}
COPY_HELP: Final = gettext_noop(
    "Copies a file, or a directory with all below it, from the job's directory to another host by SFTP, keeping "
    "modes. Each file takes its place when it is whole. A file goes into the directory to when that ends in /. "
    "user, key, port and host_key are as in ssh. With save_as the name holds files and bytes."
)

_STATUS: Final[Schema] = {"type": "integer", "minimum": 100, "maximum": 599}

HTTP_SCHEMA: Final[Schema] = {
    "type": "object",
    "properties": {
        "url": {"type": "string", "minLength": 1},
        "method": {
            "type": "string",
            "enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        },
        "headers": {
            "type": "object",
            "additionalProperties": {"type": "string", "x-hint": "Write a text, in quotes."},
        },
        # Without a type: a text is sent as it is, anything else as JSON.
        "body": {},
        "expect": {
            "type": ["integer", "array"],
            "minimum": 100,
            "maximum": 599,
            "minItems": 1,
            "items": _STATUS,
            "x-hint": "Write a status or a list of them, such as 200 or [200, 404].",
        },
    },
    "required": ["url"],
    "additionalProperties": False,
    "x-hint": "Write url, and method, headers, body and expect where they are needed.",
}
HTTP_HELP: Final = gettext_noop(
    "Asks a web service. The method is GET, or POST when there is a body; a body that is a text is sent as it is, "
    "anything else as JSON. It fails unless the status is one of expect (by default any from 200 to 299); redirects "
    "are not followed. With save_as the name holds status, headers, body (its first 64 KiB) and json. Without a "
    "timeout it may take 60 seconds."
)

_TEXT: Final[Schema] = {"type": "string", "minLength": 1}

NOTIFY_SCHEMA: Final[Schema] = {
    "type": "object",
    "properties": {
        "to": {
            # No plain type: a template that gives a list stays a list.
            "anyOf": [_TEXT, {"type": "array", "minItems": 1, "items": _TEXT}],
            "x-hint": "Write user:ana, group:qa or an address, or a list of them.",
        },
        "subject": _TEXT,
        "text": {"type": "string"},
    },
    "required": ["to", "subject", "text"],
    "additionalProperties": False,
    "x-hint": "Write to, subject and text.",
}
NOTIFY_HELP: Final = gettext_noop(
    "Sends a mail. to is one or a list of user:NAME, group:NAME and addresses. Whoever has no address or is not "
    "known is named in the log and left out; when nobody is left, the operation fails."
)

_REVISION: Final[Schema] = {
    "anyOf": [
        _TEXT,
        {
            "type": "object",
            "properties": {"ref": _TEXT, "sha": _TEXT},
            "minProperties": 1,
            "additionalProperties": False,
        },
    ],
    "x-hint": "Write a tag, branch or commit in quotes, or ref and sha (the whole commit).",
}

CREATE_JOB_SCHEMA: Final[Schema] = {
    "type": "object",
    "properties": {
        "rule": _TEXT,
        "environment": _TEXT,
        # No plain type: the project of a job that has none stays none.
        "project": {"anyOf": [_TEXT, {"type": "null"}], "x-hint": "Write the code of a project."},
        "revisions": {
            "type": "array",
            "items": _REVISION,
            "x-hint": 'Write a list of revisions, or "{{ revisions }}" for those of this job.',
        },
        "comment": {"type": "string"},
        "variables": {"type": "object", "additionalProperties": {}},
    },
    "required": ["rule", "environment"],
    "additionalProperties": False,
    "x-hint": "Write rule and environment, and project, revisions, comment and variables where they are needed.",
}
CREATE_JOB_HELP: Final = gettext_noop(
    "Creates another job as the creator of this one, who needs the right to create in that environment, and waits "
    "for its CHECK and INIT, not for its end. revisions is a list of refs; those with a sha are taken at that "
    "commit, so {{ revisions }} passes on what this job deploys. With save_as the name holds id and name."
)
CREATE_JOB_NOT_IN: Final = frozenset({"CHECK", "INIT"})
"""Their worker is the one that would have to answer."""
