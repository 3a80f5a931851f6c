"""Each operation of the palette as a rule may write it, for whoever writes one."""

from __future__ import annotations

from typing import Final

# --- control --------------------------------------------------------------------------------

GROUP: Final = """\
group:
  - run: make build
  - run: make test
retry: {attempts: 2, pause: 10s}
"""
IF: Final = """\
if: environment == "PROD"
then:
  - log: This is serious
else:
  - log: This is only {{ environment }}
"""
FOREACH: Final = """\
foreach:
  items: [alpha, beta]
  as: host
  do:
    - log: Now {{ host }}
"""
WHILE: Final = """\
while:
  condition: variables.tries < 3
  max: 3
  do:
    - set: {tries: "{{ variables.tries + 1 }}"}
"""
PARALLEL: Final = """\
parallel:
  - run: make lint
  - run: make test
"""
TRY: Final = """\
try:
  - run: ./migrate.sh
catch:
  - log: {text: "{{ error.message }}", level: warning}
finally:
  - run: rm -rf tmp
"""
RULE: Final = "rule: clean-releases\n"
FAIL: Final = """\
fail: Only tags go to PROD
when: environment == "PROD" and not revision.ref.startswith("v")
"""

# --- data -----------------------------------------------------------------------------------

SET: Final = 'set: {service: shop, target: "{{ environment | lower }}"}\n'
LOG: Final = 'log: "{{ job.name }} deploys {{ revision.ref }}"\n'

# --- people ---------------------------------------------------------------------------------

APPROVAL: Final = """\
approval:
  approvers: ["group:qa", "user:ana"]
  min: 2
  exclude_creator: true
when: environment == "PROD"
"""
NOTIFY: Final = """\
notify:
  to: ["group:qa", ops@example.org]
  subject: "{{ job.name }} goes to {{ environment }}"
  text: See the monitor.
"""

# --- work -----------------------------------------------------------------------------------

RUN: Final = """\
run: ./deploy.sh {{ environment | quote }}
name: Deploy
timeout: 15m
"""
WRITE: Final = """\
write:
  path: release.txt
  content: "{{ revision.sha }}"
"""
GIT: Final = "git: {directory: source}\n"
SLEEP: Final = "sleep: 30s\n"
SSH: Final = """\
ssh:
  host: web1.example.org
  user: deploy
  run: systemctl restart shop
  key: "{{ secrets.deploy_key }}"
"""
COPY: Final = """\
copy:
  host: web1.example.org
  from: dist
  to: /srv/shop/
"""
HTTP: Final = """\
http:
  url: https://example.org/hooks/deploy
  method: POST
  headers: {Authorization: "Bearer {{ secrets.hook }}"}
  body: {environment: "{{ environment }}"}
retry: {attempts: 3, pause: 5s}
"""
CREATE_JOB: Final = """\
create_job:
  rule: smoke-test
  environment: QA
  project: "{{ project }}"
  revisions: "{{ revisions }}"
"""
