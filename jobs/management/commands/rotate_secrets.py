"""``manage.py rotate_secrets``: encrypt every secret anew under the first key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations

from jobs.notifications import keys
from jobs.secrets import vault


class Command(BaseCommand):
    """Makes the keys after the first one of ``CLARIVE_SECRETS_KEY`` superfluous."""

    help = "Encrypt every secret anew under the first of the keys in CLARIVE_SECRETS_KEY."

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate.

        Raises:
            CommandError: Some secrets cannot be decrypted; the others are rotated.
        """
        count, lost = vault.rotate()
        signing, unknown = keys.seal_anew()
        count, lost = count + signing, [*lost, *unknown]
        self.stdout.write(f"{count} secrets are encrypted under the first key.")
        if lost:
            raise CommandError(
                f"No key decrypts these; they are left as they are: {', '.join(lost)}. Set them again."
            )
