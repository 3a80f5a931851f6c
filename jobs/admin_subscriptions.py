"""Administration of subscriptions, for superusers: who is told what, the log of deliveries, and sending again."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from jobs.actions import subscriptions
from jobs.actions.subscriptions import DeliveryUnderWay, Written
from jobs.choices import StatusChoice
from jobs.exceptions import InvalidInput
from jobs.models import Delivery, Subscription
from jobs.subscription_form import EVENTS, SubscriptionForm
from permissions.admin_shown import KeepsWhatOthersChanged

SHOWN: Final = 100
_WORDS: Final = {**dict(StatusChoice.choices), **dict(EVENTS)}


class SubscriptionAdmin(KeepsWhatOthersChanged[Subscription]):
    """Subscriptions hold addresses of people and programs in all environments, so superusers alone see them."""

    form = SubscriptionForm
    change_form_template = "admin/jobs/subscription/change_form.html"
    list_display = ("name", "enabled", "what", "receivers", "last")
    list_filter = ("enabled",)
    search_fields = ("name", "webhook_url")
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("name", "enabled")}),
        (
            _("What is told"),
            {
                "fields": ("events", "environments", "projects", "statuses"),
                "description": _("Of each, nothing chosen stands for all."),
            },
        ),
        (_("Who is told"), {"fields": ("users", "groups", "addresses", "webhook_url")}),
    )

    class Media:
        css: ClassVar = {"all": ("monitor/admin.css", "monitor/admin-work.css")}

    # --- Who may do what ---

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let superusers look."""
        return request.user.is_active and request.user.is_superuser

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let superusers add."""
        return self.has_view_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let superusers change."""
        return self.has_view_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let superusers delete."""
        return self.has_view_permission(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show it to them."""
        return self.has_view_permission(request)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, set[str], list[Any]]:
        """Name the subscriptions; their deliveries, which may be many, go with them."""
        chosen = list(objs)
        names = [str(each) for each in chosen]
        return names, {str(self.opts.verbose_name_plural): len(chosen)}, set(), []

    # --- Pages ---

    def get_urls(self) -> list[URLPattern]:
        """Add what the buttons of the page lead to."""
        view = self.admin_site.admin_view
        return [
            path("<int:object_id>/test/", view(require_POST(self.test)), name="jobs_subscription_test"),
            path("<int:object_id>/secret/", view(require_POST(self.secret)), name="jobs_subscription_secret"),
            path(
                "<int:object_id>/resend/<int:delivery_id>/",
                view(require_POST(self.resend)),
                name="jobs_subscription_resend",
            ),
            *super().get_urls(),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Let the name be chosen once: documents and the secret are tied to it."""
        return ("name",) if obj is not None else ()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the newest deliveries below the form."""
        rows = Delivery.objects.none()
        if object_id.isdecimal() and len(object_id) < 19 and self.has_view_permission(request):
            rows = Delivery.objects.filter(subscription=int(object_id))
        newest = rows.select_related("notice").prefetch_related("attempts")[:SHOWN]
        deliveries = [(delivery, _worded(delivery.notice.event)) for delivery in newest]
        context = {"deliveries": deliveries, "most": SHOWN, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, obj: Subscription, form: Any, change: bool) -> None:
        """Write it as the API does, and keep a secret that was made for the answer to this request alone."""
        values = {name: getattr(obj, name) for name in ("enabled", "webhook_url", *subscriptions.LISTS)}
        now = timezone.now()
        if change:
            written = subscriptions.change(obj, values, now=now)
        else:
            written = subscriptions.create({"name": obj.name, **values}, now=now)
            obj.pk = written.subscription.pk
        request._clarive_written = written  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: Subscription, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the secret of its webhook, this once."""
        return self._shown_once(request) or super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Subscription) -> HttpResponse:
        """Show the secret of a webhook that was added, this once."""
        return self._shown_once(request) or super().response_change(request, obj)

    def test(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Send a ``ping`` to all receivers."""
        subscriptions.test(self._found(request, object_id), now=timezone.now())
        messages.success(
            request, gettext("A test is on its way to all receivers; the log below says what comes of it.")
        )
        return redirect("admin:jobs_subscription_change", object_id)

    def secret(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Change the secret of the webhook and show the new one, this once."""
        try:
            written = subscriptions.rotate(self._found(request, object_id), now=timezone.now())
        except InvalidInput:
            messages.error(request, gettext("The subscription has no webhook."))
            return redirect("admin:jobs_subscription_change", object_id)
        return self._secret_page(request, written)

    def resend(self, request: HttpRequest, object_id: int, delivery_id: int) -> HttpResponse:
        """Send a delivery again."""
        rows = Delivery.objects.filter(subscription=self._found(request, object_id))
        try:
            subscriptions.resend(get_object_or_404(rows, pk=delivery_id), now=timezone.now())
        except DeliveryUnderWay:
            messages.warning(request, gettext("It is being sent at this moment."))
        else:
            messages.success(request, gettext("It is sent again; the log below says what comes of it."))
        return redirect("admin:jobs_subscription_change", object_id)

    def _found(self, request: HttpRequest, object_id: int) -> Subscription:
        if not self.has_change_permission(request):
            raise PermissionDenied
        return get_object_or_404(Subscription, pk=object_id)

    def _shown_once(self, request: HttpRequest) -> HttpResponse | None:
        written: Written | None = getattr(request, "_clarive_written", None)
        return self._secret_page(request, written) if written and written.secret else None

    def _secret_page(self, request: HttpRequest, written: Written) -> HttpResponse:
        """Return the page with a secret: it goes into no cookie, no session and no cache."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("Secret of the webhook"),
            "subscription": written.subscription,
            "secret": written.secret,
        }
        answer = TemplateResponse(request, "admin/jobs/subscription/secret.html", context)
        add_never_cache_headers(answer)
        return answer

    # --- The list ---

    @admin.display(description=_("what"))
    def what(self, row: Subscription) -> str:
        """Say what is told."""
        names = ("events", "environments", "projects", "statuses")
        parts = [", ".join(map(_worded, getattr(row, name))) for name in names]
        return "; ".join(part for part in parts if part) or gettext("everything")

    @admin.display(description=_("receivers"))
    def receivers(self, row: Subscription) -> str:
        """Say who is told."""
        found = [*row.users, *row.groups, *row.addresses, *([row.webhook_url] if row.webhook_url else [])]
        more = ", …" if len(found) > 5 else ""
        return ", ".join(found[:5]) + more

    @admin.display(description=_("last delivery"))
    def last(self, row: Subscription) -> str:
        """Say how the newest delivery stands."""
        newest = Delivery.objects.filter(subscription=row).order_by("-id").first()
        return newest.get_state_display() if newest else "–"


def _worded(name: str) -> str:
    """Return what an event or a status is called; anything else stays as it is."""
    return str(_WORDS.get(name, name))
