"""Addresses: pages, administration, REST API and probes."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from jobs.api.metrics import MetricsView
from jobs.api.probes import HealthView, ReadyView
from jobs.monitor import sign_in

handler400 = "jobs.api.errors.bad_request"
handler403 = "jobs.api.errors.permission_denied"
handler404 = "jobs.api.errors.page_not_found"
handler500 = "jobs.api.errors.server_error"

urlpatterns = [
    path("healthz", HealthView.as_view(), name="healthz"),
    path("readyz", ReadyView.as_view(), name="readyz"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    # One door: the administration's own pages for these would not know of all ways to sign in.
    path("admin/login/", sign_in.admin_login),
    path("admin/logout/", sign_in.SignOut.as_view()),
    path("admin/password_change/", RedirectView.as_view(pattern_name="monitor:password")),
    path("admin/", admin.site.urls),
    path("api/", include("jobs.api.urls")),
    path("", include("jobs.monitor.urls")),
]
