"""Addresses of the REST API, ``/api/v1/``; every view stands behind the door."""

from __future__ import annotations

from django.urls import path, re_path, register_converter
from django.urls.converters import StringConverter

from jobs.api.actions import ADDRESSES
from jobs.api.applying import ApplyView
from jobs.api.bulk import BulkView
from jobs.api.catalogue import (
    EnvironmentsView,
    EnvironmentView,
    NaturesView,
    NatureView,
    ProjectsView,
    ProjectView,
)
from jobs.api.contents import ContentsView
from jobs.api.deployments import DeploymentsView
from jobs.api.doors import NothingHere, door
from jobs.api.drift import DriftView
from jobs.api.grants import GrantsView, GrantView
from jobs.api.log import LogDownloadView, LogView
from jobs.api.people import GroupsView, GroupView, UsersView, UserView
from jobs.api.schedules import RunScheduleView, SchedulesView, ScheduleView
from jobs.api.schema.views import SchemaView, docs
from jobs.api.stream import StreamView, WaitView
from jobs.api.subscriptions import (
    DeliveriesView,
    ResendView,
    RotateSecretView,
    SubscriptionsView,
    SubscriptionView,
    TestView,
)
from jobs.api.tokens import TokensView, TokenView
from jobs.api.views import AuditView, JobsView, JobView, OperationsView, SummaryView
from permissions.api.views import MeView
from rules.api.views import RulesView, RuleView, ValidateView, VersionsView

app_name = "api"


class CodeConverter(StringConverter):
    """Codes as ``permissions.models.code_validator`` has them; anything else is no address."""

    regex = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,49}"


class NameConverter(StringConverter):
    """Names of users and groups, which may hold blanks and slashes."""

    regex = r"[^\x00-\x1f\x7f]{1,150}"


register_converter(CodeConverter, "code")
register_converter(NameConverter, "name")

urlpatterns = [
    path("v1/jobs/", door(JobsView), name="jobs"),
    path("v1/jobs/summary/", door(SummaryView), name="jobs-summary"),
    path("v1/jobs/bulk/", door(BulkView), name="jobs-bulk"),
    path("v1/jobs/<int:job_id>/", door(JobView), name="job"),
    path("v1/jobs/<int:job_id>/log/", door(LogView), name="job-log"),
    path("v1/jobs/<int:job_id>/log/download/", door(LogDownloadView), name="job-log-download"),
    path("v1/jobs/<int:job_id>/operations/", door(OperationsView), name="job-operations"),
    path("v1/jobs/<int:job_id>/contents/", door(ContentsView), name="job-contents"),
    path("v1/jobs/<int:job_id>/wait/", door(WaitView), name="job-wait"),
    path("v1/jobs/<int:job_id>/audit/", door(AuditView), name="job-audit"),
    *(
        path(f"v1/jobs/<int:job_id>/{name}/", door(view), name=f"job-{name}")
        for name, view in ADDRESSES.items()
    ),
    path("v1/stream/", door(StreamView), name="stream"),
    path("v1/environments/", door(EnvironmentsView), name="environments"),
    path("v1/environments/<code:code>/", door(EnvironmentView), name="environment"),
    path("v1/projects/", door(ProjectsView), name="projects"),
    path("v1/projects/<code:code>/", door(ProjectView), name="project"),
    path("v1/natures/", door(NaturesView), name="natures"),
    path("v1/natures/<code:code>/", door(NatureView), name="nature"),
    path("v1/rules/", door(RulesView), name="rules"),
    path("v1/rules/validate/", door(ValidateView), name="rules-validate"),
    path("v1/rules/<slug:slug>/", door(RuleView), name="rule"),
    path("v1/rules/<slug:slug>/versions/", door(VersionsView), name="rule-versions"),
    path("v1/grants/", door(GrantsView), name="grants"),
    path("v1/grants/<slug:grant>/", door(GrantView), name="grant"),
    path("v1/users/", door(UsersView), name="users"),
    path("v1/users/<name:username>/", door(UserView), name="user"),
    path("v1/groups/", door(GroupsView), name="groups"),
    path("v1/groups/<name:name>/", door(GroupView), name="group"),
    path("v1/tokens/", door(TokensView), name="tokens"),
    path("v1/tokens/<int:token_id>/", door(TokenView), name="token"),
    path("v1/schedules/", door(SchedulesView), name="schedules"),
    path("v1/schedules/<code:name>/", door(ScheduleView), name="schedule"),
    path("v1/schedules/<code:name>/run_now/", door(RunScheduleView), name="schedule-run_now"),
    path("v1/deployments/", door(DeploymentsView), name="deployments"),
    path("v1/deployments/drift/", door(DriftView), name="drift"),
    path("v1/apply/", door(ApplyView), name="apply"),
    path("v1/subscriptions/", door(SubscriptionsView), name="subscriptions"),
    path("v1/subscriptions/<int:subscription_id>/", door(SubscriptionView), name="subscription"),
    path(
        "v1/subscriptions/<int:subscription_id>/rotate_secret/",
        door(RotateSecretView),
        name="subscription-rotate-secret",
    ),
    path("v1/subscriptions/<int:subscription_id>/test/", door(TestView), name="subscription-test"),
    path(
        "v1/subscriptions/<int:subscription_id>/deliveries/",
        door(DeliveriesView),
        name="subscription-deliveries",
    ),
    path(
        "v1/subscriptions/<int:subscription_id>/deliveries/<int:delivery_id>/resend/",
        door(ResendView),
        name="subscription-resend",
    ),
    path("v1/me/", door(MeView), name="me"),
    path("schema/", door(SchemaView), name="schema"),
    path("docs/", docs, name="docs"),
    re_path("", NothingHere.as_view(), name="nothing"),
]
