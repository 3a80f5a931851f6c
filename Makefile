# make run    everything, in this terminal        make test   every test        make check   all that is no test
# make bench  how fast it is              make lock   new versions within pyproject.toml's bounds

PYTHON := .venv/bin/python
UV_VERSION := 0.13.9
LOCK := $(PYTHON) -m uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
# Settings can be read without a home of its own.
CHECKING := CLARIVE_ENV_FILE=/dev/null CLARIVE_SECRET_KEY=only-for-checks-0000000000000000000

.PHONY: help run test nightly bench check format-check lint types contracts templates-check migrations-check diagram-check lock
.DELETE_ON_ERROR:

help:
	@sed -n '1,2s/^# //p' Makefile

run: .venv/.ok-run
	@exec $(PYTHON) -m clarive_monitor.supervisor

test: .venv/.ok-dev
	@$(PYTHON) -m tests.browser.provision
ifdef ARGS
	$(PYTHON) -m pytest $(ARGS)
else
	CHAOS_SECONDS=$${CHAOS_SECONDS:-9} $(PYTHON) -m pytest -n 3 --dist loadfile --no-loadscope-reorder
endif

# The model of a job against the real code, for hours instead of minutes, each day with other sequences; more chaos, garbage and
# fuzz, and more jobs while the broker is emptied.
nightly: .venv/.ok-dev
	TURN=all HYPOTHESIS_PROFILE=night EMPTYING_JOBS=$${EMPTYING_JOBS:-200} MODEL_STEPS=$${MODEL_STEPS:-100000} MODEL_SEED=$${MODEL_SEED:-$$(date +%Y%m%d)0000} CHAOS_SECONDS=$${CHAOS_SECONDS:-600} \
		FUZZ_SECONDS=$${FUZZ_SECONDS:-900} FUZZ_SEED=$${FUZZ_SEED:-$$(date +%Y%m%d)} \
		$(PYTHON) -m pytest tests/unit tests/integration/test_export.py tests/model tests/chaos \
		tests/matrix tests/browser/test_browser_audit.py tests/acceptance/test_admin_garbage.py tests/acceptance/test_api_fuzzed.py tests/acceptance/test_engine.py $(ARGS)

# BENCH="--only lists --sizes 1000" measures less, "--home FOLDER" keeps the seeded databases.
bench: .venv/.ok-dev
	@$(PYTHON) -m bench $(BENCH)

check: format-check lint types contracts templates-check migrations-check diagram-check

format-check: .venv/.ok-dev
	$(PYTHON) -m ruff format --check .

lint: .venv/.ok-dev
	$(PYTHON) -m ruff check .

types: .venv/.ok-dev
	$(CHECKING) $(PYTHON) -m mypy .

contracts: .venv/.ok-dev
	.venv/bin/lint-imports

templates-check: .venv/.ok-dev
	.venv/bin/djlint templates --check --lint --quiet

migrations-check: .venv/.ok-dev
	$(CHECKING) $(PYTHON) -W "ignore:Got an error checking" manage.py makemigrations --check --dry-run

diagram-check: .venv/.ok-dev
	$(CHECKING) $(PYTHON) manage.py state_diagram --check

lock: .venv/.ok-dev
	$(LOCK) -o requirements.txt
	$(LOCK) --group dev -c requirements.txt -o requirements-dev.txt

# What is installed follows the locks; a broken or missing environment is made anew.
.venv/.ok-run: requirements.txt
	@$(make_environment)
	@$(call install,$<)
	@touch $@

.venv/.ok-dev: requirements-dev.txt requirements.txt
	@$(make_environment)
	@$(call install,$<)
	@touch $@ .venv/.ok-run

ifeq ($(wildcard $(PYTHON)),)
.venv/.ok-run .venv/.ok-dev: FORCE
FORCE:
endif

define make_environment
$(PYTHON) -m pip --version >/dev/null 2>&1 && exit 0; \
for name in python3.13 python3.12 python3.11 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	found=$$name; \
	$$name -c 'import ensurepip, venv' >/dev/null 2>&1 || continue; \
	echo "Making .venv with $$name"; \
	exec $$name -m venv --clear .venv; \
done; \
if [ -n "$$found" ]; then \
	echo "$$found cannot make environments: install its venv package (Debian, Ubuntu: apt install python3-venv)." >&2; \
else \
	echo "Python 3.11 or newer is needed, and none of python3.13, python3.12, python3.11 and python3 is it." >&2; \
fi; \
exit 1
endef

# uv is five times as quick; where it is not to be had, pip does the same.
define install
echo "Installing $(1)"; \
$(PYTHON) -m uv --version 2>/dev/null | grep -qF "uv $(UV_VERSION)" \
	|| $(PYTHON) -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)" || true; \
$(PYTHON) -m uv pip install --quiet --python $(PYTHON) --require-hashes -r $(1) \
	|| $(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1)
endef
