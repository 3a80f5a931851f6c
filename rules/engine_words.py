"""What expressions and templates say when they fail, for the catalogue of translations: the engine knows no Django.

The engine's sentences are English, as jobs keep them. ``rules.wording`` finds them here again, so each place says what
may fill it: ``kind`` is one of ``rules.problem_words.KINDS``, ``word`` a value as Python writes it, ``number`` a number,
``token`` one of ``TOKENS``, ``reason`` one of ``OF_JINJA``; anything else is free. A test holds this list and the engine
together.
"""

from __future__ import annotations

from typing import Final

from rules.marking import gettext_noop

OF_BOTH: Final = (
    # The first that fits is taken.
    gettext_noop("There is no %(word)s in the mapping."),
    gettext_noop("It makes more data than is allowed."),
    gettext_noop("It takes longer than is allowed."),
    gettext_noop("It divides by zero."),
    gettext_noop("It cannot be worked out."),
    gettext_noop("It cannot be worked out with these values."),
    gettext_noop("It goes through too many elements."),
    gettext_noop("The number is too large."),
    gettext_noop("A number is needed, this is %(kind)s."),
    gettext_noop("A list is needed, this is %(kind)s."),
    gettext_noop("%(kind)s and %(kind2)s cannot be added."),
    gettext_noop("%(kind)s has no length."),
    gettext_noop("%(kind)s has no %(word)s."),
    gettext_noop("There is no text for %(kind)s."),
    gettext_noop("The text is not a whole number."),
    gettext_noop("The text is not a number."),
    gettext_noop("A number can be rounded to %(number)s digits at most."),
    gettext_noop("Only texts can be joined, one of these is %(kind)s."),
    gettext_noop("The result is no plain value (text, number, true or false, list, mapping)."),
    gettext_noop("The values are not of kinds that go together."),
    gettext_noop("The values are not of kinds that go together, or a function has the wrong number of them."),
    gettext_noop("The text holds a character that cannot be stored."),
    gettext_noop("The name %(word)s is not known here."),
    gettext_noop("Only functions and methods can be called."),
    gettext_noop("Did you mean %(meant)s?"),
    gettext_noop("There are: %(known)s."),
)
OF_EXPRESSIONS: Final = (
    gettext_noop("The expression is longer than %(number)s characters."),
    gettext_noop("The expression is empty."),
    gettext_noop('Write a condition such as environment == "PROD".'),
    gettext_noop("The expression is not complete or not well formed."),
    gettext_noop('Write for example: environment == "PROD" and not revision.ref.startswith("v")'),
    gettext_noop("This is an expression already: write it without {{ and }}."),
    gettext_noop("Write and instead of &&."),
    gettext_noop("Write or instead of ||."),
    gettext_noop("Write not instead of !, and != to compare."),
    gettext_noop("Compare with ==."),
    gettext_noop("Write %(constant)s."),
    gettext_noop("The expression cannot be read."),
    gettext_noop("The expression is too large."),
    gettext_noop("Set a variable first and use it here."),
    gettext_noop("%(construct)s is not available in expressions."),
    gettext_noop("** is not available in calls."),
    gettext_noop("Write a list: [a, b]."),
    gettext_noop("Join texts with +."),
    gettext_noop("Write and, or."),
    gettext_noop("Only texts, numbers, True, False and None can be written."),
    gettext_noop("There is no function %(call)s."),
    gettext_noop("There is no method %(call)s."),
    gettext_noop("The list %(place)s has no place %(number)s."),
    gettext_noop("%(place)s is %(kind)s and has no %(word)s."),
    gettext_noop("%(place)s is %(kind)s and has no %(call)s."),
    gettext_noop("There is no %(word)s in %(place)s."),
    gettext_noop("%(word)s gives no list but %(kind)s."),
)
OF_TEMPLATES: Final = (
    gettext_noop("The text is longer than %(number)s characters."),
    gettext_noop("The text gets longer than %(number)s characters."),
    gettext_noop("There is no text for this value: it is too large."),
    gettext_noop("There is no JSON for this value."),
    gettext_noop("A range holds %(number)s numbers at most."),
    gettext_noop("The value is no plain data: a method needs ( ) behind it."),
    gettext_noop("A name is not known here."),
    gettext_noop("The template is too large."),
    gettext_noop("The template cannot be read."),
    gettext_noop("Split it, or set variables first."),
    gettext_noop("The template does not read: %(reason)s."),
    gettext_noop("Close {{ with }}, {%% with %%}, and every if and for with endif and endfor."),
    gettext_noop(
        "Write {{ name }} for a value; text with braces of its own goes into {%% raw %%} … {%% endraw %%}."
    ),
    gettext_noop("%(construct)s is not available in templates."),
    gettext_noop("There are {{ value }}, {%% if %%} and {%% for %%}."),
    gettext_noop("Loops can be nested %(number)s deep at most."),
    gettext_noop("* and ** are not available in calls."),
    gettext_noop("There is no filter %(name)s."),
    gettext_noop("There is no test %(name)s."),
    gettext_noop("No first item, sequence was empty."),
    gettext_noop("No last item, sequence was empty."),
    gettext_noop("No aggregated item, sequence was empty."),
)
OF_JINJA: Final = (
    # What its reader says of a template; the more special first.
    gettext_noop("it is not well formed"),
    gettext_noop("tag name expected"),
    gettext_noop(
        "Block names in Jinja have to be valid Python identifiers and may not contain hyphens, use an underscore instead"
    ),
    gettext_noop("Required blocks can only contain comments or whitespace"),
    gettext_noop("non-default argument follows default argument"),
    gettext_noop("expected call"),
    gettext_noop("can't assign to %(token)s"),
    gettext_noop("Expected an expression, got %(token)s"),
    gettext_noop("expected name or number"),
    gettext_noop("expected subscript expression"),
    gettext_noop("invalid syntax for function call expression"),
    gettext_noop("You cannot chain multiple tests with is"),
    gettext_noop("can't assign to special loop variable in for-loop target"),
    gettext_noop("names starting with an underline can not be imported"),
    gettext_noop("unexpected end of template, expected %(token)s"),
    gettext_noop("expected token %(token)s, got %(token2)s"),
    gettext_noop("unexpected char %(sign)s at %(number)s"),
    gettext_noop("unexpected %(token)s, expected %(token2)s"),
    gettext_noop("unexpected %(token)s"),
    gettext_noop("Missing end of comment tag"),
    gettext_noop("Missing end of raw directive"),
    gettext_noop("Invalid character in identifier"),
    gettext_noop("Unexpected end of template"),
    gettext_noop("Encountered unknown tag %(token)s"),
    gettext_noop("Jinja was looking for the following tags: %(tags)s"),
    gettext_noop("The innermost block that needs to be closed is %(token)s"),
    gettext_noop("You probably made a nesting mistake"),
    gettext_noop("Jinja is expecting this tag, but currently looking for %(tags)s"),
)
TOKENS: Final = (
    gettext_noop("begin of comment"),
    gettext_noop("end of comment"),
    gettext_noop("comment"),
    gettext_noop("begin of statement block"),
    gettext_noop("end of statement block"),
    gettext_noop("begin of print statement"),
    gettext_noop("end of print statement"),
    gettext_noop("begin of line statement"),
    gettext_noop("end of line statement"),
    gettext_noop("template data / text"),
    gettext_noop("end of template"),
    gettext_noop("string"),
    gettext_noop("integer"),
    gettext_noop("float"),
    gettext_noop("name"),
)
"""How Jinja names the parts of a template."""

CONSTRUCTS: Final = (
    gettext_noop("A set"),
    gettext_noop("An f-string"),
    gettext_noop("A loop that makes a mapping"),
    gettext_noop("A loop that makes a set"),
)
"""What expressions do not have, in words; what has none is named as Python names it."""

SENTENCES: Final = (*OF_BOTH, *OF_EXPRESSIONS, *OF_TEMPLATES)
