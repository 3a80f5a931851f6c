"""Administration of users and groups, with their rights; administrators who are no superusers hand out no more than they hold."""

from __future__ import annotations

from typing import Any, Final, cast

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Field, ManyToManyField, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from permissions import admin_grants, admin_questions, locks, policy
from permissions.accounts import is_last_superuser
from permissions.admin_deletion import ReadableDeletion
from permissions.admin_shown import KeepsWhatOthersChanged
from permissions.admin_user_forms import PasswordForm, PermissionsField
from permissions.delegation import Reach
from permissions.models import User

MOST_MEMBERS: Final = 100
NAME_STAYS: Final = _(
    "The name stays as it is: rules, approvals, subscriptions and directories call users and groups by their names."
)


def reach_of(request: HttpRequest) -> Reach:
    """Return how far the asker reaches, read once a request."""
    found = getattr(request, "_clarive_reach", None)
    if found is None:
        found = Reach(request.user)
        request._clarive_reach = found  # type: ignore[attr-defined]
    return cast("Reach", found)


def forget_reach(request: HttpRequest) -> None:
    """Have ``reach_of`` read anew."""
    request._clarive_reach = None  # type: ignore[attr-defined]


class HolderAdmin(KeepsWhatOthersChanged[Any], ReadableDeletion[Any]):
    """What users and groups share: a table of rights on their page, and permissions of the admin within reach."""

    change_form_template = "admin/permissions/holder_change_form.html"
    view_name = ""
    kind = ""
    name_field = ""

    def get_urls(self) -> list[URLPattern]:
        """Add the page of rights."""
        rights = path(
            "<int:holder_id>/rights/",
            self.admin_site.admin_view(self.rights),
            name=f"{self.view_name}_rights",
        )
        return [rights, *super().get_urls()]

    def rights(self, request: HttpRequest, holder_id: int) -> HttpResponse:
        """Show and keep the rights of one user or group."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        holder = self.get_queryset(request).filter(pk=holder_id).first()
        if holder is None:
            raise Http404
        table = admin_grants.of_principal(holder, request, may_grant=self.may_grant(request))
        return admin_grants.page(self, request, table, admin_questions.of_principal(holder))

    def may_grant(self, request: HttpRequest) -> bool:
        """Return whether the asker may change any rights of users or groups, as far as the asker's own go."""
        return self.has_change_permission(request)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the table of rights to the page of what is there already."""
        holder = kwargs.get("obj")
        if holder is not None and kwargs.get("change"):
            table = admin_grants.of_principal(holder, request, may_grant=self.may_grant(request))
            context = {
                **context,
                **table.context(),
                "from": "change",
                "questions": admin_questions.of_principal(holder),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer what the asker may hand out; rights on environments are in the table of rights."""
        if db_field.related_model is Permission:
            kwargs["queryset"] = reach_of(request).permissions().select_related("content_type")
            kwargs["form_class"] = PermissionsField
        if db_field.related_model is Group:
            kwargs["queryset"] = reach_of(request).groups()
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """Refuse a name that rules have among their approvers to those who could not sign in it."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == self.name_field:
            field.validators.append(lambda name: self._check_name(request, name))
        return field

    def _check_name(self, request: HttpRequest, name: str) -> None:
        """Raise ``ValidationError`` for a name that the asker may not give. Names stay, so only new ones are asked about."""
        if not name.strip("."):
            raise ValidationError(gettext("A name is more than dots."))
        if not reach_of(request).may_make(f"{self.kind}:{name}"):
            raise ValidationError(
                gettext("Rules name %(name)s as an approver: only who may sign in that name may make it."),
                params={"name": f"{self.kind}:{name}"},
            )

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save under the lock, which is taken before any row, and only what is still within reach by then.

        Raises:
            PermissionDenied: Others have given the user or group more than the asker holds since.
        """
        locks.hold()
        forget_reach(request)
        if change and not self.has_change_permission(request, obj):
            raise PermissionDenied
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Keep the rights on all environments, which Django has among the permissions and the form does not show."""
        for name, chosen in form.cleaned_data.items():
            if isinstance(chosen, QuerySet) and chosen.model is Permission:
                ours = policy.permissions_everywhere(form.instance).values("pk")
                both = Q(pk__in=chosen.values("pk")) | Q(pk__in=ours)
                form.cleaned_data[name] = Permission.objects.filter(both)
        super().save_related(request, form, formsets, change)


class UserForm(UserChangeForm[User]):
    """Refuses to leave the installation without anybody who may do everything."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Say what becoming inactive means."""
        super().__init__(*args, **kwargs)
        if "is_active" in self.fields:
            self.fields["is_active"].help_text = gettext(
                "Only active users may sign in and do something. Becoming inactive ends all sessions for good; API tokens are "
                "refused while the user is inactive, and work again when the user is active again. Rather than deleting users, "
                "make them inactive."
            )

    def clean(self) -> dict[str, Any]:
        """Look for another active superuser, under the lock that whoever demotes that one waits for."""
        found = super().clean() or self.cleaned_data
        before = User.objects.filter(pk=self.instance.pk).first()
        stays = found.get("is_active", True) and found.get("is_superuser", True)
        if before is not None and before.is_active and before.is_superuser and not stays:
            locks.hold()
            if is_last_superuser([before.pk]):
                name = {"user": before.username}
                raise ValidationError(
                    gettext("Without %(user)s there would be no active superuser left."), params=name
                )
        return found


class UserAdmin(HolderAdmin, DjangoUserAdmin[User]):
    """Users, with their rights and what they chose for the pages."""

    view_name = "permissions_user"
    kind = "user"
    name_field = "username"
    form = UserForm
    change_password_form = PasswordForm
    change_list_template = "admin/permissions/user/change_list.html"
    delete_confirmation_template = "admin/permissions/user/delete_confirmation.html"
    fieldsets = (
        *(DjangoUserAdmin.fieldsets or ()),
        (_("Pages"), {"fields": ("language", "time_zone", "theme")}),
    )
    delegated_fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Personal info"), {"fields": ("first_name", "last_name", "email")}),
        (_("Permissions"), {"fields": ("is_active", "groups")}),
        (_("Pages"), {"fields": ("language", "time_zone", "theme")}),
    )
    list_display = ("username", "email", "first_name", "last_name", "is_active", "is_staff", "is_superuser")

    def get_urls(self) -> list[URLPattern]:
        """Add the pages that explain rights."""
        return [*admin_questions.addresses(self), *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Ask those who are no superusers for nothing that only superusers decide."""
        if obj is None:
            return super().get_fieldsets(request, obj)
        is_all = policy.administers(request.user)
        (title, first), *others = super().get_fieldsets(request, obj) if is_all else self.delegated_fieldsets
        return ((title, {**first, "description": NAME_STAYS}), *others)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Keep names, as the API does."""
        found = super().get_readonly_fields(request, obj)
        return found if obj is None else (*found, "username")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Say no to accounts that may do more than the asker."""
        return super().has_change_permission(request, obj) and (
            obj is None or reach_of(request).may_change(obj)
        )

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Say no to accounts that may do more than the asker."""
        return super().has_delete_permission(request, obj) and (
            obj is None or reach_of(request).may_change(obj)
        )

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Ask for nothing more than the users themselves do, and add that somebody must stay who may do everything.

        Tokens and the rest of what is theirs go with them, although nobody else may delete one of their tokens alone.
        """
        if request.method == "POST":
            # Two who delete one another would each find the other one still there.
            locks.hold()
        names, counts, missing, protected = super().get_deleted_objects(objs, request)
        missing = {name for name in missing if name == self.opts.verbose_name}
        if is_last_superuser([each.pk for each in objs]):
            missing, protected = set(), [*protected, gettext("There would be no active superuser left.")]
        return names, counts, missing, protected


class GroupAdmin(HolderAdmin):
    """Groups, with their rights and members."""

    view_name = "auth_group"
    kind = "group"
    name_field = "name"
    search_fields = ("name",)
    ordering = ("name",)
    filter_horizontal = ("permissions",)

    @admin.display(description=_("members"))
    def members(self, group: Group) -> str:
        """Name those who are in the group."""
        names = User.objects.filter(groups=group).order_by("username").values_list("username", flat=True)
        shown = list(names[: MOST_MEMBERS + 1])
        more = ", …" if len(shown) > MOST_MEMBERS else ""
        return ", ".join(shown[:MOST_MEMBERS]) + more if shown else "–"

    def get_fieldsets(self, request: HttpRequest, obj: Group | None = None) -> Any:
        """Leave the members of a new group out."""
        if obj is None:
            return ((None, {"fields": ("name", "permissions")}),)
        return ((None, {"fields": ("name", "members", "permissions"), "description": NAME_STAYS}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> Any:
        """Keep names, as the API does."""
        return ("members",) if obj is None else ("members", "name")

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Say no to groups that give more than the asker holds."""
        return super().has_change_permission(request, obj) and (obj is None or reach_of(request).covers(obj))

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Say no to groups that give more than the asker holds."""
        return super().has_delete_permission(request, obj) and (obj is None or reach_of(request).covers(obj))
