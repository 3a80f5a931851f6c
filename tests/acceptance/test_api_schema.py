"""Section 10, the description: OpenAPI 3.1, complete, true, and readable without the network."""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml
from django.http import JsonResponse
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from openapi_spec_validator import OpenAPIV31SpecValidator

from jobs.api.schema import document as description
from jobs.api.schema import examples
from jobs.api.schema.document import document
from jobs.api.schema.operations import OPERATIONS
from tests import contract
from tests.contract import validator
from tests.factories import EnvironmentFactory, UserFactory

INLINE = re.compile(rb"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def test_it_is_valid_openapi_and_made_without_warnings() -> None:
    found = document()
    assert found["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(found).validate()
    assert not GENERATOR_STATS, "drf-spectacular warned"


def test_every_operation_says_all_there_is_to_say() -> None:
    for name, operation in operations():
        _says_all(name, operation)


def _says_all(name: str, operation: dict[str, Any]) -> None:
    assert operation["operationId"], name
    assert operation["summary"], name
    assert operation["description"].endswith("."), operation["description"]
    assert operation["security"], name
    for parameter in operation.get("parameters", ()):
        assert parameter["description"], (name, parameter["name"])
    assert any(status < "300" for status in operation["responses"]), name
    for media in operation.get("requestBody", {}).get("content", {}).values():
        _example_fits(media)
    for answer in map(contract.resolved, operation["responses"].values()):
        assert answer["description"].strip(), name
        for form, media in answer.get("content", {}).items():
            if form in {"application/json", contract.PROBLEM} and name != "GET /api/schema/":
                _example_fits(media)


def _example_fits(media: dict[str, Any]) -> None:
    found = list(validator(json.dumps(media["schema"])).iter_errors(media["example"]))
    assert not found, found


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, operation in operations()]
    assert len(set(names)) == len(names)


def test_bodies_refuse_fields_that_they_do_not_name() -> None:
    for name, operation in operations():
        for media in operation.get("requestBody", {}).get("content", {}).values():
            body = document()["components"]["schemas"][media["schema"]["$ref"].rpartition("/")[2]]
            assert body["additionalProperties"] is False, name


def test_the_tables_name_all_there_is() -> None:
    rows = {
        key if key.partition(" ")[2].startswith("/") else key.replace(" ", " /api/v1/", 1)
        for key in OPERATIONS
    }
    assert rows == {name for name, _ in operations()}
    with_body = {each["operationId"] for _, each in operations() if "requestBody" in each}
    assert set(examples.BODIES) >= with_body


def test_programs_get_json_or_yaml() -> None:
    client = Client()
    answer = client.get("/api/schema/")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert json.loads(answer.content) == document()
    assert (
        "only with overlap allow"
        in document()["components"]["schemas"]["Schedule"]["properties"]["catch_up"]["description"]
    )
    written = client.get("/api/schema/", headers={"Accept": "application/yaml"})
    assert written["Content-Type"] == "application/yaml"
    assert yaml.safe_load(written.content) == document()
    assert client.get("/api/schema/", headers={"Accept": "text/html"}).status_code == 406
    assert client.get("/api/schema/?colour=red").status_code == 400
    assert client.post("/api/schema/").status_code == 405


@pytest.mark.django_db
def test_no_data_of_the_installation_is_in_it() -> None:
    EnvironmentFactory.create(code="HIDDEN-PLACE")
    description._document.cache_clear()
    assert b"HIDDEN-PLACE" not in Client().get("/api/schema/").content
    assert "HIDDEN-PLACE" not in json.dumps(document())


@pytest.mark.django_db
@pytest.mark.parametrize("signed_in", [True, False])
def test_people_read_it_without_scripts_and_without_the_network(signed_in: bool) -> None:
    client = Client()
    if signed_in:
        client.force_login(UserFactory.create())
    page = client.get("/api/docs/")
    assert page.status_code == 200
    assert not INLINE.search(page.content)
    assert not re.search(rb"(?:src|href)=.(?:https?:)?//", page.content)
    text = page.content.decode()
    for name, operation in operations():
        assert f'id="{operation["operationId"]}"' in text, name
    for name in document()["components"]["schemas"]:
        assert f'id="shape-{name}"' in text
    targets = set(re.findall(r'id="([^"]+)"', text))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= targets
    assert client.post("/api/docs/").status_code == 405


def test_an_answer_that_does_not_fit_is_found() -> None:
    response = JsonResponse({"total": 1, "by_status": {}})
    response.request = {"REQUEST_METHOD": "GET", "PATH_INFO": "/api/v1/jobs/summary/"}  # type: ignore[attr-defined]
    response.resolver_match = type("Match", (), {"route": "api/v1/jobs/summary/"})  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match="'abend' is a required property"):
        contract.check(response)
    response.status_code = 418
    with pytest.raises(AssertionError, match="418, which is in no answer of count_jobs"):
        contract.check(response)


def test_of_many_that_ask_first_one_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def make(*_arguments: Any, **_more: Any) -> dict[str, Any]:
        made.append(1)
        time.sleep(0.05)
        return {"openapi": "3.1.0"}

    known = description._document
    monkeypatch.setattr(description, "_document", functools.cache(known.__wrapped__))
    monkeypatch.setattr(SchemaGenerator, "get_schema", make)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: description.document(), range(8)))
    assert (len(made), {id(each) for each in found}) == (1, {id(found[0])})
