"""``manage.py export [KIND…]``: the configuration as YAML documents."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, no_translations

from jobs.configuration.apply import KINDS
from jobs.configuration.documents import MAX_BYTES
from jobs.configuration.export import COMMENTS, export_data, is_too_long
from jobs.configuration.kinds.rules import Rules, outline
from jobs.configuration.writing import text_of

RULES: Final = "rules"


class Command(BaseCommand):
    """Prints what ``apply`` reads."""

    help = "Print the configuration as YAML that apply reads. Passwords and values of secrets are not in it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare kinds and where it goes."""
        keys = [kind.key for kind in KINDS]
        parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"only these: {', '.join(keys)}")
        where = parser.add_mutually_exclusive_group()
        where.add_argument("-o", "--output", metavar="FILE", help="write a file instead of printing")
        where.add_argument(
            "--output-dir", metavar="FOLDER", help="write a document for each kind, and each rule as a file"
        )

    @no_translations
    def handle(
        self, *args: Any, kinds: list[str], output: str | None, output_dir: str | None, **options: Any
    ) -> None:
        """Export.

        Raises:
            CommandError: There is no such kind, or a file cannot be written.
        """
        keys = [kind.key for kind in KINDS]
        if unknown := [name for name in kinds if name not in keys]:
            raise CommandError(f"There is no kind {unknown[0]}. Known are: {', '.join(keys)}.")
        data = export_data(kinds)
        try:
            if output_dir is not None:
                self._write_folder(Path(output_dir), data)
            elif output is not None:
                self._write(Path(output), text_of(data, COMMENTS))
            else:
                text = text_of(data, COMMENTS)
                self._warn(text, "document")
                self.stdout.write(text, ending="")
        except OSError as error:
            raise CommandError(f"{error.filename} cannot be written: {error.strerror}.") from None

    def _write_folder(self, folder: Path, data: dict[str, list[dict[str, Any]]]) -> None:
        """Write a document for each kind; rules that a file can hold have one each."""
        folder.mkdir(parents=True, exist_ok=True)
        for key, items in data.items():
            if key == Rules.key:
                items = [self._rule(folder, item) for item in items]
            self._write(folder / f"{key}.yaml", text_of({key: items}, COMMENTS))

    def _rule(self, folder: Path, item: dict[str, Any]) -> dict[str, Any]:
        """Write one rule; what reading a file would change stays inside the document."""
        source: str = item["source"]
        name, _ = outline(source)
        if "\r" in source or not name:
            return item
        path = folder / RULES / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(source.encode())
        return {"file": f"{RULES}/{name}.yaml"}

    def _write(self, path: Path, text: str) -> None:
        self._warn(text, str(path))
        path.write_bytes(text.encode())

    def _warn(self, text: str, what: str) -> None:
        if is_too_long(text):
            self.stderr.write(f"The {what} is longer than the {MAX_BYTES // 1_000_000} MB that apply reads.")
