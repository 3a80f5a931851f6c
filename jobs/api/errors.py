"""Every refusal and failure as RFC 9457 problem details: the only module that maps domain errors to HTTP."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import (
    DisallowedHost,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
)
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.views import defaults
from psycopg.errors import ForeignKeyViolation
from rest_framework import exceptions as rest

from jobs.actions.catalogue import CodeTaken
from jobs.actions.people import LastSuperuser, NameTaken
from jobs.actions.references import Referenced
from jobs.actions.subscriptions import DeliveryUnderWay
from jobs.api.problems import TYPE, title_of
from jobs.configuration.problems import ConfigurationInvalid
from jobs.exceptions import (
    AlreadySigned,
    AskerGone,
    CheckFailed,
    CreatorExcluded,
    Gone,
    InvalidInput,
    JobChanged,
    JobNotFound,
    LaterJobs,
    NoRetriesLeft,
    NoWorker,
    RevisionInActiveJob,
    TooMany,
    TransitionNotAllowed,
)
from jobs.idempotency import KeyInUse, KeyReused
from permissions.exceptions import BeyondReach, EnvironmentHidden, GrantExists, RightMissing
from rules.api.views import RuleExists
from rules.exceptions import RuleInvalid, RuleNotFound

logger = logging.getLogger(__name__)

CONTENT_TYPE: Final = "application/problem+json"
API_ROOT: Final = "/api/"
_OF_PROGRAMS: Final = frozenset({"/api", "/healthz", "/readyz", "/metrics"})
BODY: Final = "body"
"""Name of the field when the whole body is what is wrong."""

FieldErrors = Sequence[Mapping[str, Any]]


def problem(status: int, code: str, detail: str, **members: Any) -> HttpResponse:
    """Return the answer for a problem.

    Args:
        status: Of HTTP.
        code: Stable name of the kind of problem.
        detail: A sentence about this one.
        **members: What else the asker may want to read, such as ``errors``.
    """
    body = {
        "type": TYPE + code,
        "title": title_of(code) or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        **members,
    }
    return HttpResponse(json.dumps(body, ensure_ascii=True), status=status, content_type=CONTENT_TYPE)


def invalid(errors: FieldErrors, code: str = "invalid") -> HttpResponse:
    """Return the answer for bad input; each error names its field."""
    fields = ", ".join(dict.fromkeys(str(error["field"]) for error in errors))
    return problem(HTTPStatus.BAD_REQUEST, code, f"The input is not usable: {fields}.", errors=list(errors))


def handler(exception: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """Return the answer for whatever an API view raised; what nobody expected is logged and says nothing."""
    if isinstance(exception, rest.APIException):
        return _from_framework(exception)
    if (answer := _from_domain(exception)) is not None:
        return answer
    request = context.get("request")
    logger.error(
        "%s %s failed.",
        getattr(request, "method", ""),
        getattr(request, "path", ""),
        exc_info=exception,
    )
    return _server_error()


def _from_domain(exception: Exception) -> HttpResponse | None:
    if _lost_a_race(exception):
        return _changed_meanwhile()
    return next((answer(exception) for kind, answer in _ANSWERS if isinstance(exception, kind)), None)


def refusal_members(exception: Exception) -> dict[str, Any]:
    """Return ``code``, ``detail`` and what else a problem says, for an answer that tells of several refusals."""
    answer = _from_domain(exception) or _server_error()
    members: dict[str, Any] = json.loads(answer.content)
    return {name: value for name, value in members.items() if name not in {"type", "title", "status"}}


def flatten(detail: Any, field: str = "") -> Iterator[dict[str, str]]:
    """Yield ``{"field", "message"}`` for each message in the framework's nested validation errors."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            if name == "non_field_errors":
                yield from flatten(inner, field or BODY)
            elif isinstance(name, int):
                yield from flatten(inner, f"{field}[{name}]")
            else:
                yield from flatten(inner, f"{field}.{name}" if field else str(name))
    elif isinstance(detail, Sequence) and not isinstance(detail, str):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, Mapping)
            yield from flatten(inner, f"{field}[{index}]" if nested else field)
    else:
        yield {"field": field or BODY, "message": str(detail)}


def _is_for_programs(request: HttpRequest) -> bool:
    """Return whether programs read what stands at the address, or what would without a slash too many or too few."""
    path = request.path_info
    return path.startswith(API_ROOT) or path.rstrip("/") in _OF_PROGRAMS


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django refuses before any view is found."""
    if _is_for_programs(request):
        return _suspicious(exception)
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a refusal outside the API's views."""
    if _is_for_programs(request):
        return problem(HTTPStatus.FORBIDDEN, "permission_denied", "This is not allowed.")
    return defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an unknown address."""
    if _is_for_programs(request):
        return _unknown_address(request.path)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a defect outside the API's views; Django has logged it."""
    return _server_error() if _is_for_programs(request) else defaults.server_error(request)


def _server_error() -> HttpResponse:
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal_error",
        "Something went wrong here. It was written to the log.",
    )


def _unknown_address(path: str) -> HttpResponse:
    return problem(HTTPStatus.NOT_FOUND, "not_found", f"There is nothing at {path}.")


_FRAMEWORK_CODES: Final[tuple[tuple[type[rest.APIException], str], ...]] = (
    (rest.NotAuthenticated, "not_authenticated"),
    (rest.AuthenticationFailed, "authentication_failed"),
    (rest.PermissionDenied, "permission_denied"),
    (rest.NotFound, "not_found"),
    (rest.MethodNotAllowed, "method_not_allowed"),
    (rest.NotAcceptable, "not_acceptable"),
    (rest.UnsupportedMediaType, "unsupported_media_type"),
    (rest.Throttled, "throttled"),
    (RuleExists, RuleExists.default_code),
)


def _from_framework(exception: rest.APIException) -> HttpResponse:
    if isinstance(exception, rest.ValidationError):
        return invalid(list(flatten(exception.detail)))
    if isinstance(exception, rest.ParseError):
        place = getattr(exception, "place", {})
        return invalid([{"field": BODY, "message": str(exception.detail), **place}], "malformed")
    code = next((code for kind, code in _FRAMEWORK_CODES if isinstance(exception, kind)), "error")
    answer = problem(exception.status_code, code, str(exception.detail))
    if challenge := getattr(exception, "auth_header", None):
        answer["WWW-Authenticate"] = challenge
    if wait := getattr(exception, "wait", None):
        answer["Retry-After"] = str(int(wait))
    return answer


def _invalid_input(error: InvalidInput) -> HttpResponse:
    return invalid(
        [
            {"field": field or BODY, "message": message}
            for field, messages in error.errors.items()
            for message in messages
        ]
    )


def _rule_invalid(error: RuleInvalid) -> HttpResponse:
    found = [
        {
            "field": "source",
            "message": each.message,
            "line": each.line,
            "column": each.column,
            "hint": each.hint,
        }
        for each in error.problems
    ]
    return problem(HTTPStatus.BAD_REQUEST, error.code, f"The rule is not valid: {error}", errors=found)


def _configuration_invalid(error: ConfigurationInvalid) -> HttpResponse:
    found = [
        {
            "field": "documents",
            "document": each.place.file,
            "line": each.place.line,
            "message": each.message,
            "hint": each.hint,
        }
        for each in error.problems
    ]
    count = "1 mistake" if len(found) == 1 else f"{len(found)} mistakes"
    return problem(HTTPStatus.BAD_REQUEST, error.code, f"{count}, nothing was changed.", errors=found)


def _right_missing(error: RightMissing) -> HttpResponse:
    return problem(HTTPStatus.FORBIDDEN, error.code, str(error), right=error.right.codename)


def _revision_in_active_job(error: RevisionInActiveJob) -> HttpResponse:
    job = {"id": error.job_id, "name": error.job_name}
    return problem(HTTPStatus.CONFLICT, error.code, str(error), job=job)


def _later_jobs(error: LaterJobs) -> HttpResponse:
    found = [{"id": number, "name": name} for number, name in error.jobs]
    return problem(HTTPStatus.CONFLICT, error.code, str(error), jobs=found)


def _code_taken(error: CodeTaken) -> HttpResponse:
    errors = [{"field": "code", "message": str(error)}]
    return problem(HTTPStatus.CONFLICT, error.code, str(error), errors=errors)


def _name_taken(error: NameTaken) -> HttpResponse:
    errors = [{"field": error.field, "message": str(error)}]
    return problem(HTTPStatus.CONFLICT, error.code, str(error), errors=errors)


def _too_many(error: TooMany) -> HttpResponse:
    return problem(HTTPStatus.BAD_REQUEST, error.code, str(error), matching=error.matching, limit=error.most)


def _referenced(error: Referenced) -> HttpResponse:
    found = [asdict(reference) for reference in error.references.named]
    others = error.references.others
    return problem(HTTPStatus.CONFLICT, error.code, str(error), references=found, others=others)


def _grant_exists(error: GrantExists) -> HttpResponse:
    return problem(HTTPStatus.CONFLICT, error.code, str(error), grant={"id": error.grant})


def _key_in_use(error: KeyInUse) -> HttpResponse:
    answer = problem(HTTPStatus.CONFLICT, error.code, str(error))
    answer["Retry-After"] = str(error.retry_after)
    return answer


def _suspicious(error: Exception) -> HttpResponse:
    """Answer what Django itself refuses; its words are for the log."""
    detail = "The request is not usable."
    if isinstance(error, DisallowedHost):
        detail = "The header Host names no host that is served here."
    elif isinstance(error, TooManyFieldsSent):
        detail = "The query has too many parameters."
    return problem(HTTPStatus.BAD_REQUEST, "bad_request", detail)


def _database_away(error: Exception) -> HttpResponse:
    logger.error("The database does not answer: %s", error)
    answer = problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "The database does not answer. Try again."
    )
    answer["Retry-After"] = "1"
    return answer


def _asker_gone(error: AskerGone) -> HttpResponse:
    answer = problem(HTTPStatus.UNAUTHORIZED, error.code, str(error))
    answer["WWW-Authenticate"] = "Bearer"
    return answer


def _changed_meanwhile() -> HttpResponse:
    detail = "What this refers to has been deleted meanwhile; nothing was changed."
    return problem(HTTPStatus.CONFLICT, "changed_meanwhile", detail)


def _lost_a_race(exception: Exception) -> bool:
    """Return whether a row went that the asker's row refers to, or the other way round, between look and deed."""
    return isinstance(exception, IntegrityError) and isinstance(exception.__cause__, ForeignKeyViolation)


def _plain(status: int) -> Callable[[Any], HttpResponse]:
    """Return a function that answers a domain error with its own code and sentence."""

    def answer(error: Any) -> HttpResponse:
        return problem(status, error.code, str(error))

    return answer


_ANSWERS: Final[tuple[tuple[type[Exception], Callable[[Any], HttpResponse]], ...]] = (
    (InvalidInput, _invalid_input),
    (RuleInvalid, _rule_invalid),
    (ConfigurationInvalid, _configuration_invalid),
    (EnvironmentHidden, lambda error: invalid([{"field": "environment", "message": str(error)}])),
    (RightMissing, _right_missing),
    (JobNotFound, _plain(HTTPStatus.NOT_FOUND)),
    (RuleNotFound, lambda error: problem(HTTPStatus.NOT_FOUND, "not_found", str(error))),
    (RevisionInActiveJob, _revision_in_active_job),
    (TransitionNotAllowed, _plain(HTTPStatus.CONFLICT)),
    (JobChanged, _plain(HTTPStatus.CONFLICT)),
    (AlreadySigned, _plain(HTTPStatus.CONFLICT)),
    (NoRetriesLeft, _plain(HTTPStatus.CONFLICT)),
    (LaterJobs, _later_jobs),
    (CreatorExcluded, _plain(HTTPStatus.FORBIDDEN)),
    (TooMany, _too_many),
    (CodeTaken, _code_taken),
    (NameTaken, _name_taken),
    (LastSuperuser, _plain(HTTPStatus.CONFLICT)),
    (GrantExists, _grant_exists),
    (BeyondReach, _plain(HTTPStatus.FORBIDDEN)),
    (DeliveryUnderWay, _plain(HTTPStatus.CONFLICT)),
    (Referenced, _referenced),
    (KeyReused, _plain(HTTPStatus.CONFLICT)),
    (KeyInUse, _key_in_use),
    (
        CheckFailed,
        lambda error: problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, error.code, str(error), operation=error.operation
        ),
    ),
    (NoWorker, _plain(HTTPStatus.SERVICE_UNAVAILABLE)),
    (Http404, lambda error: problem(HTTPStatus.NOT_FOUND, "not_found", "There is nothing like that.")),
    (
        PermissionDenied,
        lambda error: problem(HTTPStatus.FORBIDDEN, "permission_denied", "This is not allowed."),
    ),
    (
        RequestDataTooBig,
        lambda error: problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", "The body is too large."),
    ),
    # The one before is of this kind, too.
    (SuspiciousOperation, _suspicious),
    (Gone, _plain(HTTPStatus.NOT_FOUND)),
    (AskerGone, _asker_gone),
    (OperationalError, _database_away),
    (InterfaceError, _database_away),
)
