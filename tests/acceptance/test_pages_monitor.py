"""Section 9, the monitor: who sees which jobs, the user's words, filters, pages of rows, and asking again."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from jobs.models import Job
from permissions.catalog import Right
from permissions.models import Environment, User
from permissions.policy import grant, revoke
from tests.factories import (
    EnvironmentFactory,
    JobFactory,
    NatureFactory,
    ProjectFactory,
    RuleFactory,
    user_with,
)
from tests.pages import HTMX, Reader, text, version, words

pytestmark = pytest.mark.django_db

COLUMNS = (
    "Nombre Entorno Estado Paso Progreso Proyecto Naturalezas Regla Usuario "
    "Fecha de inicio Fecha de fin Fecha planificada Max fecha de inicio"
)


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def prod() -> Environment:
    return EnvironmentFactory.create(code="PROD")


@pytest.fixture
def ana(dev: Environment) -> User:
    return user_with("view_monitor", environments=[dev], username="ana")


@pytest.fixture
def reader(ana: User) -> Reader:
    return Reader(ana)


@pytest.mark.parametrize(
    "address", ["/", "/jobs/new/", "/jobs/1/", "/jobs/1/log/", "/jobs/1/log/download/", "/account/"]
)
def test_strangers_are_sent_to_sign_in_and_back(address: str) -> None:
    answer = Client().get(address)
    assert (answer.status_code, answer["Location"]) == (302, f"/login/?next={address}")


def test_a_fragment_without_a_session_makes_its_page_load_again() -> None:
    answer = Client().get("/", headers=HTMX)
    assert (answer.content, answer["HX-Refresh"]) == (b"", "true")


def test_signing_in_leads_to_the_page_that_was_asked_for(ana: User) -> None:
    client = Client()
    wrong = client.post("/login/", {"username": "ana", "password": "nope", "next": "/account/"})
    assert (wrong.status_code, b'role="alert"' in wrong.content) == (200, True)
    right = client.post(
        "/login/", {"username": "ana", "password": "correct-horse-battery", "next": "/account/"}
    )
    assert (right.status_code, right["Location"]) == (302, "/account/")
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/")["Location"] == "/login/"
    assert client.get("/").status_code == 302


def test_a_row_has_the_columns_of_the_product_document(reader: Reader, dev: Environment) -> None:
    job = JobFactory.at(
        "RUN", "running", environment=dev, project=ProjectFactory.create(code="shop"), rule=RuleFactory.create(slug="web"),
        natures=[NatureFactory.create(code="python")], name="N.DEV-00000007",
    )  # fmt: skip
    page = reader.get("/")
    shown = words(page)
    assert COLUMNS in shown
    assert re.search(r"N\.DEV-00000007 .*DEV Ejecutando RUN \d+ % shop python web user\d+ hoy", shown)
    assert f'href="/jobs/{job.pk}/"' in text(page)
    assert f'href="/jobs/{job.pk}/log/"' in text(page)


@pytest.mark.parametrize(
    ("status", "label"),
    {
        "ready": "Listo", "running": "Ejecutando", "pending_approval": "Pendiente de aprobación", "rejected": "Rechazado",
        "expired": "Expirado", "abend": "Abend", "rollback": "Rollback", "cancelled": "Cancelado",
        "trapped": "Capturado", "trap_paused": "Capturado en pausa",
    }.items(),
)  # fmt: skip
def test_each_status_has_the_users_word_and_a_chip(
    reader: Reader, dev: Environment, status: str, label: str
) -> None:
    JobFactory.at("RUN", status, environment=dev)
    markup = text(reader.get("/"))
    assert f'data-status="{status}">{label}</span>' in markup
    assert re.search(rf"{label}\s*<b>1</b>", markup)


def test_english_readers_get_english(ana: User, dev: Environment) -> None:
    JobFactory.at("RUN", "pending_approval", environment=dev)
    page = Reader(ana, "en").get("/")
    assert (page["Content-Language"], 'lang="en"' in text(page)) == ("en", True)
    assert "Waiting for approval" in words(page)
    assert "Pendiente" not in words(page)


def test_jobs_of_a_hidden_environment_do_not_exist(
    reader: Reader, dev: Environment, prod: Environment
) -> None:
    hidden = JobFactory.at("RUN", "abend", environment=prod, name="N.PROD-00000001")
    JobFactory.at("RUN", "ready", environment=dev)
    page = reader.get("/?q=N.PROD")
    assert "N.PROD-00000001" not in text(reader.get("/"))
    assert 'class="job-name"' not in text(page)
    assert "Abend" not in words(reader.get("/")), "a count tells of it"
    assert '<option value="PROD"' not in text(page)
    for address in ("", "log/", "log/download/"):
        answer = reader.get(f"/jobs/{hidden.pk}/{address}")
        missing = reader.get(f"/jobs/987654321987654321987/{address}")
        assert (answer.status_code, missing.status_code) == (404, 404)
        assert "Aquí no hay nada" in words(answer)


def test_a_right_withdrawn_counts_at_the_next_poll(reader: Reader, ana: User, dev: Environment) -> None:
    JobFactory.at("RUN", "ready", environment=dev, name="N.DEV-00000001")
    page = reader.get("/")
    revoke(ana, Right.VIEW_MONITOR, dev)
    answer = reader.poll("/", version(page))
    assert (answer.status_code, b"N.DEV-00000001" in answer.content) == (200, False)


def test_filters_are_in_the_address_and_can_be_taken_away(reader: Reader, dev: Environment) -> None:
    shop = ProjectFactory.create(code="shop")
    JobFactory.at("RUN", "ready", environment=dev, project=shop, name="N.DEV-00000001", comment="navidad")
    JobFactory.at("RUN", "abend", environment=dev, project=shop, name="N.DEV-00000002")
    JobFactory.at("RUN", "ready", environment=dev, name="N.DEV-00000003")
    for query, found in {
        "?status=ready&status=abend&project=shop": {"1", "2"},
        "?status=abend": {"2"},
        "?q=navidad": {"1"},
        "?environment=DEV&q=00000003": {"3"},
        "?environment=NONE": set[str](),
    }.items():
        page = reader.get(f"/{query}")
        assert set(re.findall(r">N\.DEV-0000000(\d)</a>", text(page))) == found, query
    page = reader.get("/?status=ready&project=shop")
    assert 'href="?status=ready"' in text(page), "the chip of the project takes the project away"
    assert re.search(r'href="\?project=shop"\s+aria-current="true"', text(page)), (
        "the chip of the status takes the status away"
    )
    assert re.search(r"Abend\s*<b>1</b>", text(page)), "other statuses are counted under the other filters"


@pytest.mark.parametrize(
    "query",
    [
        "?status=nope",
        "?cursor=nonsense",
        "?ordering=colour",
        "?q=" + "x" * 300,
        "?q=%00",
        "?created_after=soon",
        "?status=ready%00",
    ],
)
def test_a_filter_that_makes_no_sense_is_named_and_nothing_breaks(
    reader: Reader, dev: Environment, query: str
) -> None:
    answer = reader.get(f"/{query}")
    assert (answer.status_code, "message-error" in text(answer)) == (400, True)
    assert reader.get(f"/{query}", **HTMX).status_code == 400


@pytest.mark.parametrize(
    "query", ["status=nope", "search=statsu:error", "status=ready&created_after=soon", "search=%22%22"]
)
def test_a_filter_that_cannot_be_read_shows_no_job_and_nothing_can_be_done_to_any(
    reader: Reader, ana: User, dev: Environment, query: str
) -> None:
    grant(ana, Right.CANCEL, dev)
    job = JobFactory.at("RUN", "ready", environment=dev, name="MINE")
    page = text(reader.get(f"/?{query}&ordering=name&columns=name&group=none"))
    # The header has a part of its own that asks: how many wait for the reader.
    main = page[page.index("<main") :]
    for each in ("MINE", 'id="bulk"', 'name="job"', "format=", "panel=", 'name="all"', "hx-get"):
        assert each not in main, each
    assert re.findall(r'<input type="hidden" name="(\w+)" value="(\w+)"', page[page.index("search-form") :])[:3] == [
        ("ordering", "name"), ("columns", "name"), ("group", "none"),
    ]  # fmt: skip
    for kind in ("csv", "json"):
        file = reader.get(f"/?{query}&format={kind}")
        assert (file.status_code, file["Content-Type"], "MINE" in text(file)) == (
            400,
            "text/html; charset=utf-8",
            False,
        )
    asked = f"/jobs/bulk/?action=cancel&all=1&{query}"
    assert (reader.get(asked).status_code, "MINE" in text(reader.get(asked))) == (400, False)
    assert reader.post(asked, {"action": "cancel", "all": "1", "do": "1"}).status_code == 400
    job.refresh_from_db()
    assert job.status == "ready"


def test_what_is_no_filter_can_be_left_out_by_a_click(reader: Reader, dev: Environment) -> None:
    answer = text(reader.get("/?status=ready&ordering=colour&group=none"))
    assert 'value="estado:listo"' in answer
    assert 'href="?status=ready&amp;group=none"' in answer
    assert 'href="?' not in text(reader.get("/?status=nope")), "a filter is mended, or all are asked for"


def test_every_job_is_on_one_page_of_rows_and_only_one(reader: Reader, dev: Environment) -> None:
    rule, project = RuleFactory.create(), ProjectFactory.create()
    for _ in range(53):
        JobFactory.create(environment=dev, rule=rule, project=project, revisions=[])
    first = text(reader.get("/"))
    onward = re.search(r'rel="next"\s+href="([^"]+)"', first)
    assert onward is not None
    second = text(reader.get("/" + onward[1].replace("&amp;", "&")))
    names = [re.findall(r'class="job-name"\s+id="job-(\d+)"', page) for page in (first, second)]
    assert [len(found) for found in names] == [50, 3]
    assert len({*names[0], *names[1]}) == 53
    assert 'rel="prev"' in second


def test_jobs_stand_under_their_days_and_the_planned_ones_first(reader: Reader, dev: Environment) -> None:
    now = timezone.now()
    JobFactory.at("END", "finished", environment=dev, created_at=now - timedelta(days=900), name="OLD")
    JobFactory.at("END", "finished", environment=dev, created_at=now, name="NOW")
    JobFactory.at(
        "RUN", "ready", environment=dev, created_at=now, scheduled_at=now + timedelta(days=2), name="PLANNED"
    )
    shown = words(reader.get("/"))
    places = [shown.index(text) for text in ("Próximos", "PLANNED", "Hoy", "NOW", "Anteriores", "OLD")]
    assert places == sorted(places)


def test_a_list_can_be_ordered_by_a_date(reader: Reader, dev: Environment) -> None:
    now = timezone.now()
    for name, days in {"LATER": 3, "SOON": 1}.items():
        JobFactory.at("RUN", "ready", environment=dev, scheduled_at=now + timedelta(days=days), name=name)
    page = text(reader.get("/?ordering=scheduled_at"))
    assert page.index("SOON") < page.index("LATER")
    assert 'aria-sort="ascending"' in page
    assert 'href="?ordering=-scheduled_at"' in page


def test_asking_again_answers_only_when_something_changed(reader: Reader, dev: Environment) -> None:
    job = JobFactory.at("RUN", "ready", environment=dev)
    page = reader.get("/")
    nothing = reader.poll("/", version(page))
    assert (nothing.status_code, nothing.content) == (204, b"")
    Job.objects.filter(pk=job.pk).update(percent=42)
    changed = reader.poll("/", version(page))
    assert changed.status_code == 200
    assert changed.content.lstrip().startswith(b"<section"), "the fragment alone"
    assert "42 %" in words(changed)
    assert version(changed) != version(page)
    assert "HX-Request" in changed["Vary"]


def test_the_page_costs_the_same_queries_with_any_number_of_rows(
    reader: Reader,
    dev: Environment,
    django_assert_num_queries: DjangoAssertNumQueries,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    natures = [NatureFactory.create()]
    JobFactory.at("RUN", "ready", environment=dev, natures=natures)
    reader.get("/")
    with django_assert_max_num_queries(20) as few:
        reader.get("/")
    with django_assert_max_num_queries(14):
        reader.get("/", **HTMX)
    for _ in range(20):
        JobFactory.at("RUN", "ready", environment=dev, natures=natures)
    with django_assert_num_queries(len(few.captured_queries)):
        reader.get("/")


def test_empty_pages_say_what_to_do(reader: Reader, ana: User, dev: Environment) -> None:
    assert "Aún no hay pases" in words(reader.get("/"))
    grant(ana, Right.CREATE, dev)
    assert "Crear el primer pase" in words(reader.get("/"))
    assert "Ningún pase cumple estos filtros" in words(reader.get("/?q=zzz"))
    assert "action.job.view_monitor" in words(Reader(user_with()).get("/"))


def test_markup_in_names_and_comments_is_text(reader: Reader, dev: Environment) -> None:
    JobFactory.at("RUN", "ready", environment=dev, name="<script>alert(1)</script>")
    assert "<script>alert" not in text(reader.get("/"))
    assert "<script>alert(1)</script>" in words(reader.get("/"))
