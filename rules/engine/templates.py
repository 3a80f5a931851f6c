"""Templates of rules: Jinja in an immutable sandbox over plain data, bounded in length, time and space.

A template writes values out, chooses (``if``) and repeats (``for``); nothing else of Jinja is there.
Operators, methods and functions are those of ``rules.engine.bounded``, as in expressions. What a value holds
is never read as a template. Nothing here escapes for a shell: ``{{ value | quote }}`` does.

A text that is exactly one ``{{ … }}`` keeps the type of its value where values are wanted
(``Template.value``, ``render_value``): a list stays a list, a number a number. Anything else becomes text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import jinja2
from jinja2 import nodes

from rules.engine import bounded
from rules.engine.bounded import Budget, LimitExceeded, plain
from rules.engine.expressions import name_hint
from rules.engine.names import did_you_mean
from rules.engine.sandbox import CONCAT, EACH, RESULT, Refused, Sandbox, defined, paying
from rules.exceptions import TemplateError

__all__ = ["Template", "TemplateError", "compile_template", "render_arguments", "render_value"]

MAX_LENGTH: Final = 64 * 1024
MAX_RESULT: Final = 1024 * 1024
MAX_DEPTH: Final = 40
MAX_NODES: Final = 4_000
MAX_LOOPS: Final = 2

_MARKS: Final = re.compile(r"\{\{|\{%|\{#")
_NODES: Final = (
    *(
        nodes.Template,
        nodes.Output,
        nodes.TemplateData,
        nodes.If,
        nodes.For,
        nodes.Name,
        nodes.Const,
        nodes.List,
    ),
    *(
        nodes.Tuple,
        nodes.Dict,
        nodes.Pair,
        nodes.Keyword,
        nodes.Getattr,
        nodes.Getitem,
        nodes.Slice,
        nodes.Call,
    ),
    *(
        nodes.Filter,
        nodes.Test,
        nodes.Compare,
        nodes.Operand,
        nodes.CondExpr,
        nodes.Concat,
        nodes.And,
        nodes.Or,
    ),
    *(nodes.Not, nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod),
    nodes.Pow,
)
_sandbox: Final = Sandbox()


@dataclass(frozen=True, slots=True)
class Template:
    """A text that compiled.

    Attributes:
        text: As written.
        names: Root names it reads.
        single: Whether it is exactly one ``{{ … }}``.
    """

    text: str
    names: frozenset[str]
    single: bool
    _plain: bool

    def render(self, names: Mapping[str, Any]) -> str:
        """Return the text with everything filled in.

        Raises:
            TemplateError: A name or item is not there, kinds do not fit, or a limit is reached.
        """
        if self._plain:
            return self.text
        if self.single:
            return _written(self.value(names))
        compiled = _compiled(self.text)
        with _errors(names):
            made, size = [], 0
            for piece in compiled.root_render_func(compiled.new_context(dict(names))):
                size += len(piece)
                if size > MAX_RESULT:
                    raise LimitExceeded(f"The text gets longer than {MAX_RESULT} characters.")
                paying().spend(1)
                made.append(piece)
            return str(_storable("".join(made)))

    def value(self, names: Mapping[str, Any]) -> Any:
        """Return the value of a text that is exactly one ``{{ … }}``, the rendered text of any other.

        Raises:
            TemplateError: As in ``render``.
        """
        if self._plain or not self.single:
            return self.render(names)
        compiled = _compiled(self.text)
        with _errors(names) as budget:
            context = compiled.new_context(dict(names))
            for _ in compiled.root_render_func(context):
                pass
            found = context.vars[RESULT]
            defined(found)
            return _storable("" if isinstance(found, jinja2.Undefined) else plain(budget, found))


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        made = str(dict(value) if isinstance(value, Mapping) else value)
    except (ValueError, RecursionError, MemoryError):
        raise TemplateError("There is no text for this value: it is too large.") from None
    if len(made) > MAX_RESULT:
        raise TemplateError(f"The text gets longer than {MAX_RESULT} characters.")
    return made


def _storable(value: Any) -> Any:
    """Refuse what no database and no process argument can hold, also inside of lists and mappings."""
    pending = [value]
    while pending:
        match pending.pop():
            case str() as text:
                _check_text(text)
            case int() | float() as number:
                bounded.number(number)
            case list() as several:
                pending += several
            case dict() as mapping:
                pending += [*mapping, *mapping.values()]
    return value


def _check_text(text: str) -> None:
    if len(text) > MAX_RESULT:
        raise TemplateError(f"The text gets longer than {MAX_RESULT} characters.")
    if "\0" in text or re.search("[\ud800-\udfff]", text):
        raise TemplateError("The text holds a character that cannot be stored.")


@contextmanager
def _errors(names: Mapping[str, Any]) -> Iterator[Budget]:
    """Lend a budget, and turn what goes wrong inside into ``TemplateError``."""
    try:
        with paying.lend() as budget:
            yield budget
    except jinja2.UndefinedError as error:
        raise _undefined(error, names) from None
    except (LimitExceeded, Refused) as error:
        raise TemplateError(str(error)) from None
    except jinja2.TemplateError:
        raise TemplateError("It cannot be worked out with these values.") from None
    except (TypeError, ValueError) as error:
        # Our own sentences end in a full stop; Python's may hold a value, which may be secret.
        text = str(error)
        raise TemplateError(
            text if text.endswith(".") else "The values are not of kinds that go together."
        ) from None
    except ZeroDivisionError:
        raise TemplateError("It divides by zero.") from None
    except (RecursionError, MemoryError):
        raise TemplateError("The template is too large.") from None
    except (LookupError, ArithmeticError, AttributeError, NameError, RuntimeError):
        # The last two are Python's own complaints about the code that Jinja writes: the rule's fault, not the worker's.
        raise TemplateError("It cannot be worked out with these values.") from None


def _undefined(error: jinja2.UndefinedError, names: Mapping[str, Any]) -> TemplateError:
    message = str(error.message or "")
    missing = re.fullmatch(r"'(\w+)' is undefined", message)
    if missing is None:
        return TemplateError(message or "A name is not known here.")
    return TemplateError(f"The name {missing[1]!r} is not known here.", name_hint(missing[1], names))


@lru_cache(maxsize=1024)
def compile_template(text: str) -> Template:
    """Return ``text`` as a template.

    Raises:
        TemplateError: It is too long, not well formed, or uses what templates here do not have.
    """
    if len(text) > MAX_LENGTH:
        raise TemplateError(f"The text is longer than {MAX_LENGTH} characters.")
    if _MARKS.search(text) is None:
        return Template(text, frozenset(), single=False, _plain=True)
    tree = _parse(text)
    found = _checked(tree)
    return Template(text, _root_names(found), _single(tree) is not None, _plain=False)


@lru_cache(maxsize=1024)
def _compiled(text: str) -> jinja2.Template:
    """Return the code of a template that was checked; checking a rule does not need it, and it is the slow part."""
    tree = _parse(text)
    try:
        return _sandbox.from_string(_bounded(tree, _single(tree)))
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(_sentence(error), _hint(text, error), error.lineno or 1) from None
    except jinja2.TemplateError as error:
        # Jinja works constant parts out while it compiles.
        raise TemplateError(error.message or "It cannot be worked out.") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        raise TemplateError("The template is too large.") from None


def _parse(text: str) -> nodes.Template:
    try:
        return _sandbox.parse(text)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(_sentence(error), _hint(text, error), error.lineno or 1) from None
    except (RecursionError, MemoryError, ValueError, OverflowError):
        raise TemplateError("The template cannot be read.") from None


def _sentence(error: jinja2.TemplateSyntaxError) -> str:
    message = error.message or "it is not well formed"
    return f"The template does not read: {message.rstrip('.')}."


def _hint(text: str, error: jinja2.TemplateSyntaxError) -> str:
    message = error.message or ""
    if "end of" in message or "unclosed" in message.lower() or text.count("{{") > text.count("}}"):
        return "Close {{ with }}, {% with %}, and every if and for with endif and endfor."
    return "Write {{ name }} for a value; text with braces of its own goes into {% raw %} … {% endraw %}."


def _checked(tree: nodes.Template) -> list[nodes.Node]:
    """Return all nodes, the outermost first.

    Raises:
        TemplateError: One is not available, or they are too many or nested too deep.
    """
    found: list[nodes.Node] = []
    level: list[tuple[nodes.Node, int]] = [(tree, 0)]
    depth = 0
    while level:
        depth += 1
        if depth > MAX_DEPTH or len(found) > MAX_NODES:
            raise TemplateError("The template is too large.", "Split it, or set variables first.")
        for node, loops in level:
            _check(node, loops)
            found.append(node)
        level = [
            (child, loops + isinstance(node, nodes.For))
            for node, loops in level
            for child in node.iter_child_nodes()
        ]
    return found


def _check(node: nodes.Node, loops: int) -> None:
    if not isinstance(node, _NODES):
        raise TemplateError(
            f"{type(node).__name__} is not available in templates.",
            "There are {{ value }}, {% if %} and {% for %}.",
            node.lineno,
        )
    if isinstance(node, nodes.Const):
        _check_constant(node)
    if isinstance(node, nodes.Filter | nodes.Test):
        _check_offered(node)
    if isinstance(node, nodes.For) and (loops >= MAX_LOOPS or node.recursive):
        raise TemplateError(f"Loops can be nested {MAX_LOOPS} deep at most.", line=node.lineno)
    if isinstance(node, nodes.Call) and not isinstance(node.node, nodes.Name | nodes.Getattr):
        raise TemplateError("Only functions and methods can be called.", line=node.lineno)
    if isinstance(node, nodes.Call | nodes.Filter | nodes.Test) and (node.dyn_args or node.dyn_kwargs):
        raise TemplateError("* and ** are not available in calls.", line=node.lineno)


def _check_constant(node: nodes.Const) -> None:
    """Refuse what Jinja would write into its code as a name (``inf``), or what cannot be stored."""
    try:
        _storable(node.value)
    except (TemplateError, LimitExceeded) as error:
        raise TemplateError(str(error), line=node.lineno) from None


def _check_offered(node: nodes.Filter | nodes.Test) -> None:
    what, offered = (
        ("filter", _sandbox.offered) if isinstance(node, nodes.Filter) else ("test", _sandbox.tests)
    )
    if node.name not in offered:
        meant = did_you_mean(node.name, list(offered))
        hint = f"Did you mean {meant}?" if meant else f"There are: {', '.join(sorted(offered))}."
        raise TemplateError(f"There is no {what} {node.name}.", hint, node.lineno)


def _single(tree: nodes.Template) -> nodes.Expr | None:
    """Return the expression of a text that is exactly one ``{{ … }}``."""
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output) or len(tree.body[0].nodes) != 1:
        return None
    only = tree.body[0].nodes[0]
    return None if isinstance(only, nodes.TemplateData) else only


def _root_names(found: list[nodes.Node]) -> frozenset[str]:
    names = [node for node in found if isinstance(node, nodes.Name)]
    bound = {node.name for node in names if node.ctx != "load"}
    if any(isinstance(node, nodes.For) for node in found):
        bound.add("loop")
    return frozenset(
        node.name for node in names if node.name not in bound and node.name not in _sandbox.globals
    )


def _bounded(tree: nodes.Template, single: nodes.Expr | None) -> nodes.Template:
    """Return the tree as it is compiled: loops and ``~`` go through filters that count what they make."""
    for loop in list(tree.find_all(nodes.For)):
        loop.iter = _filtered(loop.iter, EACH)
    for output in list(tree.find_all(nodes.Concat)):
        # The node is kept and given one part, so that no parent needs to be searched for.
        output.nodes = [_filtered(nodes.List(output.nodes, lineno=output.lineno), CONCAT)]
    if single is not None:
        tree.body = [nodes.Assign(nodes.Name(RESULT, "store", lineno=1), single, lineno=1)]
    tree.set_environment(_sandbox)
    return tree


def _filtered(node: nodes.Node, name: str) -> nodes.Expr:
    assert isinstance(node, nodes.Expr)
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def render_value(value: Any, names: Mapping[str, Any]) -> Any:
    """Return plain data with the templates in its texts rendered; keys stay as they are.

    Raises:
        TemplateError: One of them cannot be rendered.
    """
    if isinstance(value, str):
        return compile_template(value).value(names)
    if isinstance(value, Mapping):
        return {key: render_value(item, names) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [render_value(item, names) for item in value]
    return value


_AS_WRITTEN: Final = frozenset({"expression", "literal", "name"})


def render_arguments(schema: Mapping[str, Any], value: Any, names: Mapping[str, Any]) -> Any:
    """Return an operation's arguments rendered as its schema says.

    Texts with an ``x-kind`` that are not templates stay as written. Where the schema takes a text, the result
    is text also when it is exactly one ``{{ … }}``; only elsewhere does the value keep its type.

    Raises:
        TemplateError: A template cannot be rendered.
    """
    if isinstance(value, str):
        if schema.get("x-kind") in _AS_WRITTEN:
            return value
        template = compile_template(value)
        return template.render(names) if takes_text(schema) else template.value(names)
    if isinstance(value, Mapping):
        return {key: render_arguments(member_schema(schema, key), item, names) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [render_arguments(schema.get("items", {}), item, names) for item in value]
    return value


def takes_text(schema: Mapping[str, Any]) -> bool:
    """Return whether ``schema`` names text among its types; one without types takes anything as it is."""
    types = schema.get("type", ())
    return "string" in ((types,) if isinstance(types, str) else types)


def member_schema(schema: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the schema of the member ``key`` of a mapping."""
    properties = schema.get("properties", {})
    rest = schema.get("additionalProperties", {})
    found = properties.get(key, rest)
    return found if isinstance(found, Mapping) else {}
