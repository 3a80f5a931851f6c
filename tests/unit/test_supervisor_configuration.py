"""Variables: what they default to, and that each bad one is named."""

import os
import stat
from pathlib import Path
from urllib.parse import quote

import pytest

from clarive_monitor.configuration import BadVariable, read, secret_key


def test_nothing_given_suits_a_laptop(tmp_path: Path) -> None:
    found = read({"CLARIVE_HOME": str(tmp_path)})
    assert (found.host, found.port, found.jobs.workers, found.jobs.tick_seconds, found.jobs.lease_seconds) == (
        "127.0.0.1", 8000, 2, 1, 15,
    )  # fmt: skip
    assert (found.language, found.time_zone, found.demo, found.debug) == ("es", "Europe/Madrid", True, False)
    assert found.jobs.job_name_mask.format(prefix="N", environment="QA", seq=7) == "N.QA-00000007"
    assert found.embeds_database
    assert found.embeds_broker
    assert found.layout.home == tmp_path


def test_servers_that_are_given_are_not_embedded() -> None:
    found = read({"DATABASE_URL": "postgresql://a@b/c", "CLARIVE_BROKER_URL": "redis://b/0"})
    assert not found.embeds_database
    assert not found.embeds_broker
    assert found.database_url == "postgresql://a@b/c"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLARIVE_PORT", "0"),
        ("CLARIVE_PORT", "65536"),
        ("CLARIVE_SECRETS_KEY", "only-for-checks-0000000000000000000,short"),
        ("CLARIVE_WORKERS", "two"),
        ("CLARIVE_WORKERS", "0"),
        ("CLARIVE_TICK_SECONDS", "0.5"),
        ("CLARIVE_LEASE_SECONDS", "-1"),
        ("CLARIVE_CREATE_TIMEOUT_SECONDS", "0"),
        ("CLARIVE_DEMO", "perhaps"),
        ("CLARIVE_LANGUAGE", "fr"),
        ("CLARIVE_TIME_ZONE", "Europe/Nowhere"),
        ("CLARIVE_TIME_ZONE", "../etc/passwd"),
        ("CLARIVE_JOB_NAME_MASK", "{prefix}.{environment}"),
        ("CLARIVE_JOB_NAME_MASK", "{seq}{who}"),
        ("CLARIVE_JOB_NAME_MASK", "{seq:200d}"),
        ("CLARIVE_JOB_NAME_MASK", "{seq"),
        ("DATABASE_URL", "sqlite:///db.sqlite3"),
        ("DATABASE_URL", "postgresql://host"),
        ("CLARIVE_EMAIL_URL", "mail.example.org"),
        ("CLARIVE_EMAIL_URL", "smtp://"),
        ("CLARIVE_EMAIL_URL", "smtp://host:port"),
    ],
)
def test_a_bad_value_is_an_error_that_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(BadVariable, match=name):
        read({name: value})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.org", ("smtp", "mail.example.org", 25, None, False, False)),
        ("smtp+tls://ana:p%40ss@mail", ("smtp", "mail", 587, "p@ss", True, False)),
        ("smtp+ssl://ana:x@mail:2465", ("smtp", "mail", 2465, "x", False, True)),
    ],
)
def test_a_mail_server_is_read(url: str, expected: tuple[object, ...]) -> None:
    found = read({"CLARIVE_EMAIL_URL": url}).notices.email
    assert (
        found["EMAIL_BACKEND"].split(".")[-2],
        *(found[f"EMAIL_{name}"] for name in ("HOST", "PORT", "HOST_PASSWORD")),
        *(found.get(f"EMAIL_USE_{name}", False) for name in ("TLS", "SSL")),
    ) == expected


@pytest.mark.parametrize("given", [None, "filemail://{home}/mail", "filemail:///{home}/mail"])
def test_without_a_mail_server_mail_goes_to_a_folder(given: str | None, tmp_path: Path) -> None:
    home = tmp_path / "ho me+ñ"
    url = "" if given is None else given.format(home=quote(str(home)))
    found = read({"CLARIVE_HOME": str(home), "CLARIVE_EMAIL_URL": url}).notices.email
    assert found["EMAIL_BACKEND"] == "django.core.mail.backends.filebased.EmailBackend"
    assert found["EMAIL_FILE_PATH"] == str(home / "mail")


def test_a_bad_mail_address_does_not_show_its_password() -> None:
    with pytest.raises(BadVariable) as caught:
        read({"CLARIVE_EMAIL_URL": "imap://user:hunter2@host"})
    assert "hunter2" not in str(caught.value)


def test_a_bad_database_address_does_not_show_its_password() -> None:
    with pytest.raises(BadVariable) as caught:
        read({"DATABASE_URL": "mysql://user:hunter2@host/name"})
    assert "hunter2" not in str(caught.value)


def test_the_secret_is_made_once_and_only_for_us(tmp_path: Path) -> None:
    kept = tmp_path / "home" / "secret_key"
    first = secret_key("", kept_in=kept, debug=False)
    assert len(first) >= 64
    assert secret_key("", kept_in=kept, debug=False) == first
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["secret_key"]


def test_a_secret_that_is_given_is_used_and_not_kept(tmp_path: Path) -> None:
    kept = tmp_path / "secret_key"
    assert secret_key("k" * 50, kept_in=kept, debug=False) == "k" * 50
    assert not kept.exists()


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadVariable, match="CLARIVE_SECRET_KEY"):
        secret_key("short", kept_in=tmp_path / "secret_key", debug=False)


def test_a_secret_is_required_in_somebody_elses_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(BadVariable, match="CLARIVE_SECRET_KEY is required"):
        secret_key("", kept_in=tmp_path / "secret_key", debug=False)
    assert secret_key("", kept_in=tmp_path / "secret_key", debug=True)
