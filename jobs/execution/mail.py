"""Mail that a rule sends: to people and groups by name, and to addresses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email

from permissions.models import User
from rules.engine.host import Mailed
from rules.engine.outcomes import OperationFailed


def send(to: Sequence[str], subject: str, text: str) -> Mailed:
    """Send one mail to all that are named, each address once.

    Args:
        to: ``user:ana``, ``group:qa`` or addresses.
        subject: One line.
        text: Plain text.

    Raises:
        OperationFailed: The mail server is away or refuses.
    """
    found: dict[str, str] = {}
    left_out: list[str] = []
    for name in dict.fromkeys(written.strip() for written in to):
        addresses, complaint = _addresses(name)
        for address in addresses:
            found.setdefault(address.casefold(), address)
        if complaint:
            left_out.append(complaint)
    recipients = tuple(found.values())
    if recipients:
        try:
            EmailMessage(subject, text, to=list(recipients)).send()
        except OSError as error:  # what smtplib raises is one, too
            raise OperationFailed(f"The mail could not be sent: {error}") from error
    return Mailed(recipients, tuple(left_out))


def _addresses(name: str) -> tuple[list[str], str]:
    """Return the addresses behind a name, and why there are none or not all."""
    kind, colon, rest = name.partition(":")
    if colon and kind == "user":
        user = User.objects.filter(username=rest, is_active=True).first()
        return _of_users([user]) if user else ([], f"There is no active user {rest!r} to send mail to.")
    if colon and kind == "group":
        group = Group.objects.filter(name=rest).first()
        if group is None:
            return [], f"There is no group {rest!r} to send mail to."
        members = list(User.objects.filter(groups=group, is_active=True).order_by("username"))
        return _of_users(members) if members else ([], f"Nobody is in the group {rest!r}.")
    if _is_address(name):
        return [name], ""
    return [], f"{name[:100]!r} is no address: write user:NAME, group:NAME or an address."


def _of_users(users: Iterable[User]) -> tuple[list[str], str]:
    found, without = [], []
    for user in users:
        if _is_address(user.email):
            found.append(user.email)
        else:
            without.append(user.get_username())
    return found, f"No address is known of {', '.join(without)}." if without else ""


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True
