"""The administration's site: puts what the whole product asks of its pages before those of each app.

Apps at the bottom know no jobs, so their pages cannot ask what refers to a row. They are registered here as everywhere,
and get it on the way, as the API's views get their door.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Model

from jobs.admin_references import KeepsReferenced


class Administration(admin.AdminSite):
    """Deletes nothing that something refers to, whatever is registered."""

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[admin.ModelAdmin[Any]] | None = None,
        **options: Any,
    ) -> None:
        """Register pages that keep what is referred to."""
        chosen = admin_class or admin.ModelAdmin
        if not issubclass(chosen, KeepsReferenced):
            members = {"__doc__": chosen.__doc__, "__module__": chosen.__module__}
            chosen = type(chosen.__name__, (KeepsReferenced, chosen), members)
        super().register(model_or_iterable, chosen, **options)
