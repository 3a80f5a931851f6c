"""Section 10, errors: every refusal is a problem that names what is wrong, and nothing is ever a 500."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from jobs.models import CreationRequest, Job
from permissions import tokens
from permissions.models import Environment
from tests.api import PROBLEM, Api
from tests.cases import in_one_test
from tests.factories import EnvironmentFactory, JobFactory, RuleFactory, UserFactory, moment, user_with

pytestmark = pytest.mark.django_db

READS = (
    "jobs/", "jobs/summary/", "jobs/1/", "jobs/1/log/", "jobs/1/log/download/", "jobs/1/operations/",
    "jobs/1/audit/", "environments/", "projects/", "natures/", "rules/", "rules/x/", "rules/x/versions/", "me/",
)  # fmt: skip


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def api(dev: Environment) -> Api:
    return Api(user_with("view_monitor", "create", environments=[dev], username="ana"))


@in_one_test("path", READS)
def test_anonymous_is_401_and_told_how(path: str) -> None:
    answer = Api().get(path)
    answer.problem(401, "not_authenticated")
    assert answer.response["WWW-Authenticate"] == "Bearer"


@in_one_test("path", ["jobs/", "jobs/1/", "jobs/1/log/download/", "deployments/", "stream/"])
def test_nobody_is_told_anything_else_whatever_is_wrong_besides(api: Api, path: str) -> None:
    """More parameters than Django reads of a query, which nobody asked for who it is, and the form of an answer."""
    many, wrong = "&".join(f"environment={number}" for number in range(1001)), "colour=red&limit=x&q=%ff"
    for query in (many, wrong):
        Api().get(f"{path}?{query}").problem(401, "not_authenticated")
        Api().get(f"{path}?{query}", Accept="text/html").problem(401, "not_authenticated")
        Api().get(f"{path}?{query}", Authorization="Bearer nobody").problem(401, "authentication_failed")
    for method in ("POST", "PATCH", "PUT", "DELETE"):
        Api().call(method, f"{path}?{many}", "{").problem(401, "not_authenticated")
    assert "too many" in api.get(f"{path}?{many}").problem(400, "bad_request")["detail"]


def test_names_that_are_looked_for_have_an_end(api: Api) -> None:
    long, said = "x" * 201, "Use at most 200 characters."
    asked = f"grants/?principal=user:{long}&environment={long}"
    assert api.get(asked).field_errors() == {"principal": said, "environment": said}
    asked = f"schedules/?environment={long}&project={long}&rule={long}"
    assert api.get(asked).field_errors() == dict.fromkeys(("environment", "project", "rule"), said)
    assert api.get(f"tokens/?user={long}").field_errors() == {"user": said}
    assert api.get(f"grants/?principal=user:nobody&environment={long[1:]}").json["results"] == []
    assert api.get("schedules/?rule=a&rule=b").field_errors() == {"rule": "Give this parameter once."}


def test_a_form_that_is_liked_less_is_better_than_none(api: Api) -> None:
    for accept in (
        "text/html, application/json;q=0.5",
        "text/*, application/*;q=0.2",
        "text/html, */*;q=0.1",
    ):
        assert api.get("jobs/", Accept=accept).status == 200, accept
    api.get("jobs/", Accept="text/html, application/json;q=0").problem(406, "not_acceptable")


@in_one_test("header", ["Bearer", "Bearer a b", "Bearer nobody", "Bearer é"])
def test_a_wrong_token_is_401(header: str) -> None:
    answer = Api().get("jobs/", Authorization=header)
    answer.problem(401, "authentication_failed")
    assert answer.response["WWW-Authenticate"] == "Bearer"


def test_the_token_of_an_inactive_user_is_401() -> None:
    api = Api(UserFactory.create(is_active=False))
    api.get("me/").problem(401, "authentication_failed")


@in_one_test(
    "path",
    [
        "/api/",
        "/api/v1/",
        "/api/v1/nothing/",
        "/api/v2/jobs/",
        "/api/v1/jobs/x/",
        "/api/v1/jobs/-1/",
        "/api/v1/jobs",
    ],
)
def test_an_unknown_address_is_404(api: Api, path: str) -> None:
    assert path in api.get(path).problem(404, "not_found")["detail"]
    Api().get(path).problem(404, "not_found")


@pytest.mark.parametrize("number", [0, 2**31, 2**63 - 1, 2**63, 10**30, int("9" * 4000)])
@pytest.mark.parametrize("tail", ["", "log/", "operations/", "audit/"])
def test_a_number_of_no_job_is_404(api: Api, number: int, tail: str) -> None:
    api.get(f"jobs/{number}/{tail}").problem(404, "not_found")


@in_one_test("path", ["jobs/1/", "environments/", "projects/", "natures/", "me/", "rules/validate/"])
def test_a_method_that_is_not_there_is_405_and_the_others_are_named(api: Api, path: str) -> None:
    answer = api.call("PATCH", path, "{}")
    answer.problem(405, "method_not_allowed")
    assert answer.response["Allow"]


def test_a_form_that_is_not_json_is_406_and_415(api: Api) -> None:
    api.get("jobs/", Accept="text/html").problem(406, "not_acceptable")
    api.get("jobs/1/log/download/", Accept="application/json").problem(406, "not_acceptable")
    for kind in (
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ):
        api.call("POST", "jobs/", "a=1", content_type=kind).problem(415, "unsupported_media_type")


@in_one_test(
    "body",
    [
        b"{", b"", b"nul", b"\xff\xfe", b'{"rule": NaN}', b'{"rule": 1' + b"0" * 5000 + b"}", b"[" * 100_000,
        b'{"rule": "a", "rule": "b"}', b'{"rule": Infinity}', b"'",
    ],
    ids=range(10),
)  # fmt: skip
def test_a_body_that_is_not_json_is_400(api: Api, body: bytes) -> None:
    answer = api.post("jobs/", body)
    assert answer.json["code"] == ("malformed" if body else "invalid"), answer.json
    assert answer.problem(400, answer.json["code"])["errors"]


def test_malformed_json_says_where(api: Api) -> None:
    body = api.post("jobs/", b'{"rule": "web",\n "urgent": tru}').problem(400, "malformed")
    (error,) = body["errors"]
    assert (error["field"], error["line"], error["column"]) == ("body", 2, 12)
    assert (body["title"], body["type"]) == ("Malformed body", "urn:clarive-monitor:problem:malformed")
    assert "UTF-8" in api.post("jobs/", b'{"rule": "\xff"}').field_errors("malformed")["body"]


def test_a_compressed_body_is_415_and_not_read_as_something_else(api: Api) -> None:
    answer = api.post("jobs/", b"{}", **{"Content-Encoding": "gzip"})
    assert "gzip" in answer.problem(415, "unsupported_media_type")["detail"]


def test_a_query_that_cannot_be_read_is_400(api: Api) -> None:
    assert "UTF-8" in api.get("jobs/?q=%ff%fe").field_errors()["query"]
    many = "&".join(f"a{number}=1" for number in range(1500))
    assert "too many" in api.get(f"jobs/?{many}").problem(400, "bad_request")["detail"]
    assert api.get("me/?format=api").field_errors() == {"format": "Unknown parameter."}


def test_a_host_that_is_not_served_is_400_and_told_so(api: Api) -> None:
    assert "Host" in api.get("me/", Host="evil.test").problem(400, "bad_request")["detail"]


def test_probes_take_reading_alone() -> None:
    client = Api().client
    client.handler.enforce_csrf_checks = True
    for path in ("/healthz", "/readyz"):
        answer = client.post(path)
        assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")


def test_a_body_that_is_too_large_is_413(api: Api) -> None:
    api.post("jobs/", {"comment": "x" * 3_000_000}).problem(413, "too_large")


@in_one_test("body", [[], "x", 1, True, None, [{}]], ids=repr)
def test_a_body_that_is_no_object_is_refused(api: Api, body: Any) -> None:
    assert api.post("jobs/", body).field_errors()


GOOD = {"rule": "web", "environment": "DEV"}


@in_one_test(
    ("body", "field", "says"),
    [
        ({"rule": "web"}, "environment", "required"),
        ({}, "rule", "required"),
        ({**GOOD, "rule": 5}, "rule", "string"),
        ({**GOOD, "rule": ""}, "rule", "blank"),
        ({**GOOD, "rule": None}, "rule", "null"),
        ({**GOOD, "rule": "a\x00b"}, "rule", "Null"),
        ({**GOOD, "rule": "\ud800"}, "rule", "urrogate"),
        ({**GOOD, "rule": "x" * 5000}, "rule", "100"),
        ({**GOOD, "rule": "nowhere"}, "rule", "nowhere"),
        ({**GOOD, "environment": "SECRET"}, "environment", "Unknown environment: SECRET."),
        ({**GOOD, "environment": "NOWHERE"}, "environment", "Unknown environment: NOWHERE."),
        ({**GOOD, "project": "nowhere"}, "project", "nowhere"),
        ({**GOOD, "enviroment": "DEV"}, "enviroment", "Did you mean environment?"),
        ({**GOOD, "type": "promot"}, "type", "Did you mean promote?"),
        ({**GOOD, "type": 1}, "type", "string"),
        ({**GOOD, "urgent": "true"}, "urgent", "true or false"),
        ({**GOOD, "urgent": 1}, "urgent", "true or false"),
        ({**GOOD, "urgent": None}, "urgent", "null"),
        ({**GOOD, "comment": 5}, "comment", "string"),
        ({**GOOD, "comment": "x" * 10_001}, "comment", "10000"),
        ({**GOOD, "variables": []}, "variables", "object"),
        ({**GOOD, "variables": {"a": "b\x00"}}, "variables", "Null"),
        ({**GOOD, "variables": {"a\x00": 1}}, "variables", "Null"),
        ({**GOOD, "variables": {"a": ["\udfff"]}}, "variables", "surrogate"),
        ({**GOOD, "variables": {"a": 10**30}}, "variables", "out of range"),
        ({**GOOD, "variables": {"not a name": 1}}, "variables", "not a name"),
        ({**GOOD, "revisions": "v1"}, "revisions", "list"),
        ({**GOOD, "revisions": {}}, "revisions", "list"),
        ({**GOOD, "revisions": ["v1"]}, "revisions[0]", "object"),
        ({**GOOD, "revisions": [{"ref": "v1"}, {"ref": 1}]}, "revisions[1].ref", "string"),
        ({**GOOD, "revisions": [{"ref": "v1", "sha": "x"}]}, "revisions[0].sha", "Unknown field"),
        ({**GOOD, "revisions": [{}]}, "revisions[0].ref", "required"),
        ({**GOOD, "revisions": [{"ref": "v1"}] * 51}, "revisions", "50"),
        ({**GOOD, "scheduled_at": "tomorrow"}, "scheduled_at", "ISO 8601"),
        ({**GOOD, "scheduled_at": "2026-01-01T00:00:00"}, "scheduled_at", "zone"),
        ({**GOOD, "scheduled_at": 5}, "scheduled_at", "ISO 8601"),
        ({**GOOD, "scheduled_at": "0001-01-01T00:00:00+14:00"}, "scheduled_at", "range"),
        ({**GOOD, "scheduled_at": "9999-12-31T23:59:59Z"}, "scheduled_at", "range"),
        ({**GOOD, "scheduled_at": "2199-12-31T23:59:59Z"}, "scheduled_at", "too far"),
        ({**GOOD, "scheduled_at": "2030-01-02T00:00:00Z", "max_start_at": "2030-01-01T00:00:00Z"}, "max_start_at", "before"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[:20],
)  # fmt: skip
def test_bad_input_for_a_new_job_names_the_field_and_makes_nothing(
    api: Api, body: dict[str, Any], field: str, says: str
) -> None:
    RuleFactory.create(slug="web")
    EnvironmentFactory.create(code="SECRET")
    errors = api.post("jobs/", body).field_errors()
    assert says in errors[field]
    assert not Job.objects.exists()
    assert not CreationRequest.objects.exists()


def test_all_mistakes_are_told_at_once(api: Api) -> None:
    found = api.post("jobs/", {"rulle": "web", "urgent": 3, "revisions": [{"reff": 1}]}).field_errors()
    assert found.keys() == {
        "rulle", "rule", "environment", "urgent", "revisions[0].reff", "revisions[0].ref"
    }  # fmt: skip


def test_a_number_too_large_for_a_float_is_refused(api: Api) -> None:
    body = json.dumps({**GOOD, "variables": {}}).replace("{}", '{"a": 1e999}').encode()
    assert "range" in api.post("jobs/", body).field_errors()["variables"]


def test_variables_nested_too_deeply_are_refused(api: Api) -> None:
    nested: Any = 1
    for _ in range(50):
        nested = [nested]
    assert "deep" in api.post("jobs/", {**GOOD, "variables": {"a": nested}}).field_errors()["variables"]


def test_creating_without_the_right_is_403_and_names_it(dev: Environment) -> None:
    RuleFactory.create(slug="web")
    body = (
        Api(user_with("view_monitor", environments=[dev])).post("jobs/", GOOD).problem(403, "right_missing")
    )
    assert "action.job.create" in body["detail"]
    assert body["right"] == "action.job.create"


@in_one_test(
    ("query", "field", "says"),
    [
        ("statu=ready", "statu", "Did you mean status?"),
        ("status=redy", "status", "Did you mean ready?"),
        ("status=READY", "status", "Did you mean ready?"),
        ("step=run", "step", "Did you mean RUN?"),
        ("type=x", "type", "promote"),
        ("ordering=name", "ordering", "Unknown value"),
        ("ordering=-createdat", "ordering", "Did you mean -created_at?"),
        ("ordering=id&ordering=-id", "ordering", "once"),
        ("limit=0", "limit", "from 1 to 200"),
        ("limit=201", "limit", "from 1 to 200"),
        ("limit=-1", "limit", "from 1 to 200"),
        ("limit=x", "limit", "from 1 to 200"),
        ("limit=", "limit", "Give a value"),
        ("limit=%D9%A3", "limit", "from 1 to 200"),
        ("limit=" + "9" * 5000, "limit", "from 1 to 200"),
        ("limit=1&limit=2", "limit", "once"),
        ("cursor=x", "cursor", "cursor"),
        ("cursor=", "cursor", "Give a value"),
        ("q=a%00b", "q", "Null"),
        ("q=a&q=b", "q", "once"),
        ("q=" + "x" * 201, "q", "200"),
        ("environment=%00", "environment", "Null"),
        ("created_after=yesterday", "created_after", "ISO 8601"),
        ("created_after=2026-01-01T00:00:00", "created_after", "zone"),
        ("finished_before=2026-13-01T00:00:00Z", "finished_before", "ISO 8601"),
        ("project=shop&page=2", "page", "Unknown parameter"),
    ],
    ids=lambda value: value[:30],
)  # fmt: skip
def test_bad_parameters_of_the_list_are_named(api: Api, query: str, field: str, says: str) -> None:
    assert says in api.get(f"jobs/?{query}").field_errors()[field]


def test_the_cursor_of_another_order_is_refused(api: Api, dev: Environment) -> None:
    for _ in range(3):
        JobFactory.create(environment=dev, project=None)
    following = api.get("jobs/?limit=1").json["next"]
    assert api.get(following + "&ordering=created_at").field_errors().keys() == {"cursor"}


@in_one_test("path", ["jobs/1/", "me/", "environments/DEV/", "rules/web/", "jobs/1/audit/", "environments/"])
def test_unknown_parameters_are_refused_everywhere(api: Api, dev: Environment, path: str) -> None:
    assert api.get(f"{path}?colour=red").field_errors() == {"colour": "Unknown parameter."}


def test_messages_are_english_whatever_the_user_reads(dev: Environment) -> None:
    api = Api(user_with("view_monitor", environments=[dev], language="es"))
    assert api.post("jobs/", {}).field_errors()["rule"] == "This field is required."
    assert "not allowed" in api.call("DELETE", "me/").problem(405, "method_not_allowed")["detail"]


def test_a_defect_is_a_500_without_details_and_in_the_log(
    api: Api, dev: Environment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(*_arguments: object) -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr("jobs.api.views.list_rows.represented", break_down)
    JobFactory.create(environment=dev)
    answer = api.get("jobs/")
    body = answer.problem(500, "internal_error")
    assert "secret" not in json.dumps(body)
    assert "the secret inside" in caplog.text


def test_a_session_needs_the_csrf_token_for_writing(dev: Environment) -> None:
    api = Api()
    api.client.handler.enforce_csrf_checks = True
    api.client.force_login(user_with("view_monitor", "create", environments=[dev]))
    assert api.get("me/").status == 200
    api.post("jobs/", GOOD).problem(403, "permission_denied")


@in_one_test("text", ["\x00", "😀", "%", "\\", "'\"", "a" * 200, "(", "\u2028"])
def test_any_text_may_be_looked_for(api: Api, dev: Environment, text: str) -> None:
    JobFactory.create(environment=dev, created_at=moment())
    for name in ("q", "environment", "rule", "created_by", "nature", "project"):
        assert api.get(f"jobs/?{name}={quote(text)}").status in ({400} if text == "\x00" else {200})


def test_tokens_are_taken_by_header_only(api: Api, dev: Environment) -> None:
    token = tokens.issue(user_with("view_monitor", environments=[dev]))
    answer = Api().get(f"jobs/?token={token}")
    assert answer.status == 401
    assert answer.response["Content-Type"] == PROBLEM


@pytest.mark.parametrize("code", ["%00", "%F0%9F%98%80", "a%20b", "x" * 3000, "%25", "'"])
@pytest.mark.parametrize("kind", ["environments", "projects", "natures", "rules"])
def test_a_code_of_nothing_is_404(api: Api, kind: str, code: str) -> None:
    api.get(f"{kind}/{code}/").problem(404, "not_found")


@pytest.mark.parametrize("path", [*READS, "rules/validate/"])
def test_options_say_the_methods(api: Api, path: str) -> None:
    answer = api.call("OPTIONS", path)
    assert (answer.status, answer.content) == (204, b"")
    assert "Content-Type" not in answer.response.headers
    assert "OPTIONS" in answer.response["Allow"]
