"""Section 9, the page of a new job: with real workers, and every refusal said in place with nothing lost."""

from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from jobs.models import AuditRecord, Job
from permissions.models import Environment, User
from tests.conftest import Workers
from tests.engine import rule
from tests.factories import EnvironmentFactory, ProjectFactory, user_with
from tests.pages import Reader, text, words
from tests.repositories import make_repository

pytestmark = pytest.mark.django_db(transaction=True)

PICKY = """
CHECK:
  - log: out of disk
  - fail: "Only tags go to {{ environment }}, not <{{ revision.ref }}>"
    when: not revision.ref.startswith("v")
RUN:
  - log: deploying
"""


@pytest.fixture
def dev(transactional_db: None) -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def ana(dev: Environment) -> User:
    return user_with("view_monitor", "create", environments=[dev], username="ana")


@pytest.fixture
def reader(ana: User) -> Reader:
    return Reader(ana)


@pytest.fixture
def crew(workers: Workers) -> Workers:
    workers.start_worker(("daemon", "create"), 1)
    return workers


@pytest.fixture
def shop(dev: Environment, tmp_path: Path) -> dict[str, str]:
    commits = make_repository(tmp_path / "shop", {"v1.0.0": "1.0.0", "v1.1.0": "1.1.0"})
    ProjectFactory.create(code="shop", repository=str(tmp_path / "shop"))
    return commits


def wish(**changes: Any) -> dict[str, Any]:
    return {
        "environment": "DEV", "rule": "web", "project": "shop", "revisions": "v1.1.0", "type": "promote",
        "scheduled_at": "", "max_start_at": "", "comment": "why <b>", "variables": "colour=green\nsize = 3 = three", **changes,
    }  # fmt: skip


def test_a_job_is_created_and_its_page_opens(reader: Reader, crew: Workers, shop: dict[str, str]) -> None:
    rule("web", PICKY)
    answer = reader.post(
        "/jobs/new/", wish(urgent="on", scheduled_at="2030-07-01T09:30", max_start_at="2030-07-02T09:30")
    )
    assert answer.status_code == 302, words(answer)
    job = Job.objects.get()
    assert answer["Location"] == f"/jobs/{job.pk}/"
    assert {name: found["value"] for name, found in job.variables.items()} == {
        "colour": "green",
        "size": "3 = three",
    }
    assert [(revision.ref, revision.sha) for revision in job.revisions.all()] == [("v1.1.0", shop["v1.1.0"])]
    assert (job.urgent, job.comment, job.created_by.username) == (True, "why <b>", "ana")
    assert job.scheduled_at.isoformat() == "2030-07-01T07:30:00+00:00", "the reader's zone is Madrid"
    record = AuditRecord.objects.get(job_id=job.pk)
    assert (record.action, record.source, record.address) == ("create", "page", "127.0.0.1")
    assert job.name in words(reader.get(answer["Location"]))

    again = reader.post("/jobs/new/", wish())
    assert again.status_code == 409
    assert f'<a href="/jobs/{job.pk}/">{job.name}</a>' in text(again)
    assert f"ya está en el pase activo {job.name}" in words(again)

    refused = reader.post("/jobs/new/", wish(revisions=shop["v1.0.0"]))
    assert refused.status_code == 422
    assert f"Only tags go to DEV, not <{shop['v1.0.0']}>" in words(refused)
    assert f'value="{shop["v1.0.0"]}"' in text(refused)

    assert "out of disk" in words(refused), "the lines of CHECK's log"

    unknown = reader.post("/jobs/new/", wish(revisions="v9"))
    assert (unknown.status_code, "No hay ninguna etiqueta, rama ni commit 'v9'" in words(unknown)) == (
        400,
        True,
    )
    assert Job.objects.count() == 1


def test_without_a_worker_nothing_is_created_and_nothing_typed_is_lost(
    reader: Reader, broker: str, settings: Settings, shop: dict[str, str]
) -> None:
    settings.CLARIVE_CREATE_TIMEOUT_SECONDS = 1
    rule("web", PICKY)
    answer = reader.post("/jobs/new/", wish())
    assert answer.status_code == 503
    assert "Ningún worker ha respondido en 1 s. No se ha creado ningún pase" in words(answer)
    markup = text(answer)
    assert 'value="v1.1.0"' in markup
    assert "why &lt;b&gt;" in markup
    assert "size = 3 = three" in markup
    assert '<option value="DEV" selected>' in markup
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("variables", "colour", "Línea 1: escribe nombre=valor."),
        ("variables", "a=1\n\n2b=3", "Línea 3: escribe nombre=valor."),
        ("variables", "a=1\na=2", "Línea 2: a ya está."),
        ("variables", '{"a": ', "no es JSON válido"),
        ("variables", '{"a": NaN}', "deben ser finitos"),
        ("variables", '{"a":' + "[" * 9000, "anidadas"),
        ("environment", "PROD", "PROD no es una de las opciones disponibles"),
        ("rule", "none", "none no es una de las opciones disponibles"),
        ("type", "sideways", "sideways no es una de las opciones disponibles"),
        ("scheduled_at", "soon", "válida"),
        ("scheduled_at", "2026-03-29T02:30", "Europe/Madrid"),
        ("max_start_at", "2020-01-01T00:00", "expiraría antes de poder ejecutarse"),
        ("scheduled_at", "2020-01-01T00:00", "ya habría expirado"),
        ("project", "", "Las revisiones necesitan un proyecto."),
        ("comment", "x" * 30_000, "20000 caracteres"),
        ("comment", "a\x00b", "nulos"),
        ("variables", '{"a": "\\u0000"}', "caracteres nulos"),
        ("variables", '{"a": 1e999}', "out of range"),
        ("variables", '{"a": "\\ud800"}', "surrogate"),
        ("variables", '{"a": ' + "[" * 30 + "]" * 30 + "}", "Nested"),
        ("revisions", "v" * 256, "255"),
    ],
)
def test_a_mistake_is_said_beside_its_field(
    reader: Reader, dev: Environment, field: str, typed: str, message: str
) -> None:
    EnvironmentFactory.create(code="PROD")
    ProjectFactory.create(code="shop", repository="/nowhere")
    rule("web", PICKY)
    answer = reader.post("/jobs/new/", wish(**{field: typed}))
    markup = text(answer)
    assert answer.status_code == 400, words(answer)
    assert f'id="id_{field}_error"' in markup
    assert f'aria-describedby="id_{field}_error"' in markup
    assert message in words(answer)
    assert "colour=green" in markup or field == "variables"
    assert not Job.objects.exists()


def test_only_environments_where_one_may_create_are_offered(dev: Environment) -> None:
    rule("web", PICKY)
    vera = Reader(user_with("view_monitor", environments=[dev]))
    assert "No puedes crear pases en ningún entorno" in words(vera.get("/jobs/new/"))
    answer = vera.post("/jobs/new/", wish(project="", revisions=""))
    assert (answer.status_code, Job.objects.exists()) == (403, False)


def test_a_form_without_its_token_is_refused_in_style(reader: Reader) -> None:
    reader.client.handler.enforce_csrf_checks = True
    answer = reader.post("/jobs/new/", {})
    assert (answer.status_code, "El formulario ha caducado" in words(answer)) == (403, True)
