"""Addresses of the pages."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import path

from jobs.monitor import (
    account,
    account_tokens,
    actions,
    bulk,
    compare,
    completion,
    creation,
    dashboard,
    drift,
    estimates,
    inbox,
    log,
    log_download,
    menu,
    passwords,
    places,
    records,
    revisions,
    saved_views,
    sign_in,
    views,
)

app_name = "monitor"


def favicon(request: HttpRequest) -> HttpResponse:
    """Send browsers that ask for the old name, as on the admin's pages, to the mark."""
    return redirect(static("monitor/mark.svg"))


urlpatterns = [
    path("", views.monitor, name="list"),
    path("complete/", completion.complete, name="complete"),
    path("views/", saved_views.views, name="views"),
    path("views/new/", saved_views.new, name="view-new"),
    path("views/<int:view_id>/", saved_views.view, name="view"),
    path("favicon.ico", favicon, name="favicon"),
    path("login/", sign_in.SignIn.as_view(), name="login"),
    path("login/oidc/", sign_in.oidc_start, name="oidc"),
    path("login/oidc/callback/", sign_in.oidc_callback, name="oidc_callback"),
    path("login/forgotten/", passwords.forgotten, name="forgotten"),
    path("login/new/<uidb64>/<token>/", passwords.NewPassword.as_view(), name="new_password"),
    path("logout/", sign_in.SignOut.as_view(), name="logout"),
    path("account/", account.account, name="account"),
    path("account/tokens/", account_tokens.make, name="token-make"),
    path("account/tokens/<int:token_id>/revoke/", account_tokens.revoke, name="token-revoke"),
    path("account/password/", passwords.change, name="password"),
    path("account/sessions/end/", account.end_sessions, name="end_sessions"),
    path("deployments/", places.places, name="deployments"),
    path("deployments/drift/", drift.drift, name="drift"),
    path("deployments/estimates/", estimates.estimates, name="estimates"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/count/", inbox.waiting, name="waiting"),
    path("jobs/new/", creation.create, name="create"),
    path("jobs/bulk/", bulk.bulk, name="bulk"),
    path("jobs/new/revisions/", revisions.revisions, name="revisions"),
    path("jobs/<int:job_id>/", dashboard.job, name="job"),
    path("jobs/<int:job_id>/log/", log.log, name="log"),
    path("jobs/<int:job_id>/log/download/", log_download.download, name="download"),
    path("jobs/<int:job_id>/menu/", menu.menu, name="menu"),
    path("jobs/<int:job_id>/compare/", compare.compare, name="compare"),
    path("jobs/<int:job_id>/audit/", records.audit, name="audit"),
    path("jobs/<int:job_id>/<slug:key>/", actions.action, name="action"),
]
