"""What the editor knows of the language: the palette by family, arguments and options, for help and completion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from rules.engine.names import ROOT_NAMES
from rules.engine.registry import OperationType, Registry, Schema
from rules.parser.document import KEYS
from rules.parser.members import FIXED
from rules.parser.options import OPTION_SCHEMAS, ROLLBACK
from rules.tree import EXECUTED_STEPS

FAMILIES: Final = (
    (_("Control"), ("group", "if", "foreach", "while", "parallel", "try", "rule", "fail")),
    (_("Data"), ("set", "log")),
    (_("Work"), ("run", "ssh", "copy", "write", "http", "git", "sleep", "create_job")),
    (_("People"), ("approval", "notify")),
)
OTHERS: Final = _("From other packages")

OPTION_HELP: Final[Mapping[str, Any]] = {
    "id": _("A name of its own, by which pages, links and the API know the operation."),
    "name": _("What people read instead of the key."),
    "when": _("A condition; the operation is skipped when it does not hold."),
    "enabled": _("false switches the operation off."),
    "timeout": _("How long it may take, such as 90s, 15m or 2h."),
    "retry": _("How often it is tried in all, and the pause between two tries."),
    "on_error": _("What its failure means: fail ends the step, trap waits for a person, ignore goes on."),
    "trap": _(
        "How long a trap waits, what happens then, and how often it may be retried. With on_error: trap only."
    ),
    "save_as": _("The name under which later operations read its result."),
    "semaphore": _("The name of a semaphore; the job waits for one of its slots."),
    "rollback": _("The operations that undo it, run when the job is rolled back."),
    "rollback_if_failed": _("true undoes it also when it failed half-way."),
}
"""One sentence for each option."""

TOP_HELP: Final[Mapping[str, Any]] = {
    "name": _("How jobs name the rule: lower-case letters, digits, dash and underscore."),
    "description": _("What the rule is for."),
    "variables": _("Defaults of variables; project, environment and job may say otherwise."),
    "steps": _("The operations of each step."),
}
STEP_HELP: Final[Mapping[str, Any]] = {
    "CHECK": _("Before the job exists; whoever creates it waits. A failure means no job."),
    "INIT": _("The job exists, its creator still waits: quick preparation."),
    "PRE": _("At once after that: build, test, pack; nothing that touches the target."),
    "RUN": _("From the scheduled date on: the deployment."),
    "POST": _("After PRE or RUN ended, well or badly: report, clean up."),
}

KEYBOARD: Final = (
    ("Tab, Shift-Tab", _("Indent, and back.")),
    (_("Esc, then Tab"), _("Leave the editor. Ctrl-M makes Tab always leave it, and back again.")),
    ("Ctrl-Space", _("Offer what can be written here; arrow keys choose, Enter takes, Esc closes.")),
    ("F8, Shift-F8", _("Go to the next or the previous mistake.")),
    ("Ctrl-S", _("Check now.")),
    ("Ctrl-Enter", _("Publish a new version.")),
    ("Ctrl-F", _("Search and replace.")),
    ("Ctrl-Z, Ctrl-Y", _("Undo, and redo.")),
    ("Ctrl-/", _("Comment lines out, and in.")),
)
"""What the editor's keys do, for people to read; on a Mac Ctrl is Cmd."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A member of an operation's value: its name, what it may be, and whether it must be there."""

    name: str
    kind: str
    is_required: bool
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation in the help.

    Attributes:
        key: Palette key.
        help: One paragraph in the reader's language.
        kind: What its value may be; empty when operations are its value.
        arguments: Members of its value.
        blocks: Keys that hold operations.
        may_wait: Whether the job may wait for a person there.
        not_in: Steps where it is refused.
        example: As a rule may write it.
    """

    key: str
    help: str
    kind: str
    arguments: tuple[Argument, ...]
    blocks: tuple[str, ...]
    may_wait: bool
    not_in: tuple[str, ...]
    example: str


def families(registry: Registry) -> list[tuple[str, list[Entry]]]:
    """Return the palette for people to read, by family; what third parties bring comes last."""
    own = [key for _name, keys in FAMILIES for key in keys]
    rest = tuple(kind.key for kind in registry if kind.key not in own)
    found = []
    for name, keys in (*FAMILIES, (OTHERS, rest)):
        entries = [_entry(kind) for key in keys if (kind := registry.get(key)) is not None]
        if entries:
            found.append((str(name), entries))
    return found


def _entry(kind: OperationType) -> Entry:
    blocks = tuple(block.name or kind.key for block in kind.blocks if block.source != "linked")
    is_block = any(block.source == "argument" for block in kind.blocks)
    required = kind.schema.get("required", ())
    waits_not_in = ("CHECK", "INIT") if kind.may_wait else ()
    return Entry(
        key=kind.key,
        help=gettext(kind.help),
        kind="" if is_block else in_words(kind.schema),
        arguments=tuple(
            Argument(name, in_words(schema), name in required, _values(schema))
            for name, schema in kind.schema.get("properties", {}).items()
        ),
        blocks=blocks,
        may_wait=kind.may_wait,
        not_in=tuple(step for step in EXECUTED_STEPS if step in kind.not_in or step in waits_not_in),
        example=kind.example.rstrip(),
    )


_WORDS: Final[Mapping[str, Any]] = {
    "string": _("text"),
    "integer": _("whole number"),
    "number": _("number"),
    "boolean": _("true or false"),
    "array": _("list"),
    "object": _("mapping"),
    "null": _("nothing"),
}
_KINDS: Final[Mapping[str, Any]] = {
    "expression": _("expression"),
    "duration": _("duration"),
    "name": _("name"),
}


def in_words(schema: Schema) -> str:
    """Return what a schema takes, in the reader's language."""
    if "anyOf" in schema:
        parts = [in_words(one) for one in schema["anyOf"]]
    else:
        types = _types(schema)
        kind = _KINDS.get(str(schema.get("x-kind")))
        parts = [str(kind if kind and one == "string" else _WORDS.get(one, one)) for one in types]
        parts = parts or [gettext("anything")]
    return gettext(" or ").join(dict.fromkeys(parts))


def _types(schema: Schema) -> tuple[str, ...]:
    types = schema.get("type", ())
    return (types,) if isinstance(types, str) else tuple(types)


def _values(schema: Schema) -> tuple[str, ...]:
    values = schema.get("enum", ("true", "false") if schema.get("type") == "boolean" else ())
    return tuple(map(str, values))


def completions(registry: Registry, rules: list[str]) -> dict[str, Any]:
    """Return what can be written where, as data for the editor's script.

    Args:
        registry: The operations there are.
        rules: Slugs that a call may name.
    """
    return {
        "top": [{"key": key, "help": str(TOP_HELP.get(key, ""))} for key in KEYS],
        "steps": [{"key": step, "help": str(STEP_HELP[step])} for step in EXECUTED_STEPS],
        "operations": [_completion(kind) for kind in registry],
        "options": [
            {"key": key, "help": str(OPTION_HELP.get(key, "")), **_shape(OPTION_SCHEMAS.get(key, {}))}
            | ({"block": True} if key == ROLLBACK else {})
            for key in (*OPTION_SCHEMAS, ROLLBACK)
        ],
        "names": sorted(ROOT_NAMES),
        "members": {name: sorted(members) for name, members in FIXED.items()},
        "rules": rules,
    }


def _completion(kind: OperationType) -> dict[str, Any]:
    return {
        "key": kind.key,
        "help": gettext(kind.help),
        "block": any(block.source == "argument" for block in kind.blocks),
        "blocks": [
            {"key": block.name, "inside": block.source == "member", "required": block.required}
            for block in kind.blocks
            if block.source in {"member", "sibling"}
        ],
        "calls": any(block.source == "linked" for block in kind.blocks),
        **_shape(kind.schema),
    }


def _shape(schema: Schema) -> dict[str, Any]:
    """Return of a schema what completing needs: kinds, values, members and their shapes."""
    found: dict[str, Any] = {"type": in_words(schema)}
    options = (schema, *schema.get("anyOf", ()))
    types = [one for option in options for one in _types(option)]
    if "object" in types and "string" not in types:
        found["mapping"] = True
    if values := _values(schema):
        found["values"] = list(values)
    if schema.get("x-kind") == "expression":
        found["expression"] = True
    members = {name: one for option in options for name, one in option.get("properties", {}).items()}
    if members:
        required = schema.get("required", ())
        found["members"] = [
            {"key": name, "required": name in required, **_shape(one)} for name, one in members.items()
        ]
    if isinstance(schema.get("items"), Mapping):
        found["items"] = _shape(schema["items"])
    return found
