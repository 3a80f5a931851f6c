"""P9 with real workers: a secret never appears in a log, a page, an API answer or an error, nor in any table."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pty import openpty
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from jobs.audit import Actor, Author
from jobs.log.codec import unpack
from jobs.models import AuditRecord, Job, LogChunk, OperationRun, Secret
from jobs.secrets import vault
from permissions.models import Environment
from tests.api import Api
from tests.conftest import Workers
from tests.engine import create, ended, log_of, rule, setting
from tests.pages import Reader, text
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

VALUE = "hunter2-lo'ng-pässwort/9"
HALVES = (VALUE[:9], VALUE[9:])
ENCODED = base64.b64encode(VALUE.encode()).decode()

TELLTALE = r"""
CHECK:
  - run: echo {{ secrets.password | quote }}
PRE:
  - run: printf 'whole %s\n' {{ secrets.password | quote }}
    id: whole
    save_as: whole
  - run: |
      printf 'in pieces '; printf %s {{ secrets.password[:9] | quote }}; sleep 0.8
      printf '%s\n' {{ secrets.password[9:] | quote }}
  - run: printf %s {{ secrets.password | quote }} > s; base64 s; printf 'user:' | cat - s | base64
    save_as: encoded
  - run: head -c 50 /dev/zero | cat - s | base64; od -An -v -tx1 s | tr -d ' '
  - run: |
      base64 s > e; head -c 9 e; sleep 0.8; tail -c +10 e
  - run: printf 'to stderr %s\n' {{ secrets.password | quote }} >&2
  - log: "saved: {{ whole.output }} {{ encoded.output }}"
  - log: {text: "{{ secrets }} {{ secrets | tojson }}", level: warning}
  - write: {path: "{{ secrets.password | urlencode }}.txt", content: "{{ secrets.password }}"}
  - run: ["/no/such/{{ secrets.password }}"]
    name: Start {{ secrets.password }}
    id: named
    on_error: ignore
  - run: |
      sleep 60 {{ secrets.password | quote }} 2>&1 || exec sleep 61 &
      python3 -c 'import time; open("up", "w"); time.sleep(60)' {{ secrets.password | quote }} &
      while ! test -e up; do sleep 0.05; done
  - run: exit 7 # {{ secrets.password }}
    on_error: ignore
    retry: {attempts: 2}
  - try:
      - fail: "Refused {{ secrets.password }}"
    catch:
      - log: "caught {{ error.message }}"
      - set: {told: "{{ error.message }}", output: "{{ whole.output }}"}
RUN:
  - fail: "At the end {{ secrets.password }}"
    when: len(secrets.password) > 3
"""


@pytest.fixture
def asked(transactional_db: None) -> tuple[Environment, Actor]:
    return setting()


@pytest.fixture
def crew(workers: Workers) -> Workers:
    for worker in [
        workers.start_worker(("jobs",), 1, wait=False),
        workers.start_worker(("daemon", "create"), 1, wait=False),
    ]:
        worker.wait_ready()
    return workers


def keep(name: str, value: str, **scope: Any) -> None:
    vault.keep(name, value, vault.Scope(**scope), by=Author("ana", "command"), now=timezone.now())


def everything() -> Iterator[tuple[str, str]]:
    """Yield every row of every table as text, logs unpacked, but the ciphertexts."""
    for table in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT row_to_json(t)::text, t::text FROM "{table}" AS t')
            for as_json, as_text in cursor.fetchall():
                yield table, as_json + as_text
    for chunk in LogChunk.objects.all():
        yield "log", unpack(chunk.data).text.decode()


def test_nothing_tells_a_secret(asked: tuple[Environment, Actor], crew: Workers) -> None:
    environment, actor = asked
    keep("password", VALUE, environment=environment)
    rule("telltale", TELLTALE)
    rule("refusing", 'CHECK:\n  - fail: "Not with {{ secrets.password }}"\nRUN:\n  - log: never')
    job = ended(create("telltale", actor), 60)
    api = Api(actor.user)
    refused = api.post("jobs/", {"rule": "refusing", "environment": "DEV"})
    assert "Not with ***" in refused.content.decode()

    assert (job.step, job.status) == ("END", "error")
    assert job.reason == "At the end ***"
    log = log_of(job)
    assert "whole ***" in log
    assert "in pieces ***" in log
    assert "to stderr ***" in log
    assert "caught Refused ***" in log
    assert any(line.startswith("Ended process") and "***" in line for line in log)
    assert OperationRun.objects.get(identifier="named").name == "Start ***"
    assert any(line.startswith("saved: whole ***") for line in log)
    assert OperationRun.objects.get(identifier="whole").value == {"returncode": 0, "output": "whole ***\n"}
    assert job.stash["variables"] == {"told": "Refused ***", "output": "whole ***\n"}

    sources = list(everything())
    assert {"jobs_job", "jobs_operationrun", "jobs_creationrequest", "log"} <= {name for name, _ in sources}
    for path in ("", f"{job.pk}/", f"{job.pk}/log/?limit=1000", f"{job.pk}/log/download/", f"{job.pk}/operations/",
                 f"{job.pk}/audit/"):  # fmt: skip
        answer = api.get(f"jobs/{path}")
        assert answer.status == 200, path
        sources.append((path, answer.content.decode()))
    reader = Reader(actor.user)
    for address in (f"/jobs/{job.pk}/", f"/jobs/{job.pk}/log/", "/admin/jobs/secret/", "/admin/jobs/job/"):
        sources.append((address, text(reader.get(address))))
    sources += [(str(worker.log_path), worker.log_path.read_text()) for worker in crew._started]
    leaves = [
        VALUE,
        *HALVES,
        VALUE.replace("'", ""),
        ENCODED[:-4],
        base64.b64encode(f"r:{VALUE}".encode()).decode()[4:-4],
        VALUE.encode().hex(),
        "h%C3%B6",
        "hunter2",
        "sswort",
    ]
    for name, source in sources:
        for leaf in leaves:
            assert leaf not in source, f"{name} tells {leaf}: {source[:3000]}"


def test_the_strongest_scope_wins_and_what_cannot_be_decrypted_fails_where_it_is_read(
    asked: tuple[Environment, Actor], crew: Workers
) -> None:
    environment, actor = asked
    keep("token", "the weaker one")
    keep("token", "the stronger one", environment=environment)
    keep("broken", "sealed for another row")
    Secret.objects.filter(name="broken").update(ciphertext=Secret.objects.filter(name="token")[0].ciphertext)
    rule(
        "readers",
        """
        PRE:
          - run: test {{ secrets.token | quote }} = 'the stronger one' && echo the weaker one
          - run: echo {{ secrets.broken }}
            id: reads
            on_error: ignore
          - run: echo {{ secrets.nothing }}
        """,
    )
    job = ended(create("readers", actor))
    log = log_of(job)
    assert "***" in log
    assert any("The secret broken cannot be decrypted" in line for line in log)
    assert "'broken'" in OperationRun.objects.get(identifier="reads").error
    assert job.status == "error"
    assert "'nothing'" in job.reason


def test_the_command_shows_nothing_of_what_is_typed_into_a_terminal(workers: Workers) -> None:
    ours, theirs = openpty()
    command = subprocess.Popen(
        [sys.executable, "manage.py", "set_secret", "typed"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        cwd=settings.BASE_DIR,
        env=workers.environment,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""

    def asks() -> bool:
        nonlocal shown
        shown += os.read(ours, 1000)
        return b"Value: " in shown

    until(asks, 30, "the question")
    os.write(ours, b"never to be seen\n")
    answer, _ = command.communicate(timeout=30)
    assert (command.returncode, answer) == (0, b"set typed\n")
    os.set_blocking(ours, False)
    with contextlib.suppress(OSError):  # the terminal is closed on the other side
        shown += os.read(ours, 1000)
    assert b"never" not in shown
    os.close(ours)
    assert vault.open_for(0, None).values == {"typed": "never to be seen"}
    assert AuditRecord.objects.get().comment == "typed"
    assert not Job.objects.exists()
