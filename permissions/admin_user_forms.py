"""Parts of the forms of users and groups that Django leaves in English."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.forms import AdminPasswordChangeForm, SetUnusablePasswordMixin
from django.contrib.auth.models import Permission
from django.forms import ModelMultipleChoiceField
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

_VERBS: Final = {
    "add": gettext_lazy("Can add %(things)s"),
    "change": gettext_lazy("Can change %(things)s"),
    "delete": gettext_lazy("Can delete %(things)s"),
    "view": gettext_lazy("Can view %(things)s"),
}


class PermissionsField(ModelMultipleChoiceField[Permission]):
    """Permissions of the admin, in the reader's language; Django keeps their names in English."""

    def label_from_instance(self, obj: Permission) -> str:
        """Return what a permission lets one do, after the kind of thing that it is about."""
        model = obj.content_type.model_class()
        if model is None:
            return str(obj)
        verb, _sign, name = obj.codename.partition("_")
        kind = str(model._meta.verbose_name)
        if verb in _VERBS and name == model._meta.model_name:
            said = str(_VERBS[verb]) % {"things": model._meta.verbose_name_plural}
        else:
            # Named in the model, in the words that its own app translates.
            said = _(obj.name)
        return f"{kind} | {said}"


class PasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]  # not generic when it runs
    """Says in the reader's language what giving up a password means; Django joins the sentence when it is loaded."""

    usable_password_help_text = format_lazy(  # type: ignore[assignment]  # a lazy text is one
        '{}<ul id="id_unusable_warning" class="messagelist"><li class="warning">{}</li></ul>',
        SetUnusablePasswordMixin.usable_password_help_text,
        gettext_lazy("If disabled, the current password for this user will be lost."),
    )
