# `make demo` and `make test` set everything up themselves.
PYTHON ?= $(shell command -v python3.12 >/dev/null 2>&1 && python3.12 -c '' 2>/dev/null && echo python3.12 || (command -v python3.11 >/dev/null 2>&1 && python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3))
BIN := .venv/bin

.PHONY: setup demo down test fast check lock golden bench clean

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 12) else "Rheo needs Python 3.11 or 3.12; say which: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.lock)"
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Airflow 3.0.6, in which the tests run the dialect mwaa-3.0; it cannot share an environment with 3.3.
.venv-mwaa-3.0/.ready: requirements-mwaa-3.0.lock .venv/.ready
	@test -x .venv-mwaa-3.0/bin/python || $(BIN)/python -m venv --without-pip .venv-mwaa-3.0
	$(BIN)/uv pip sync --quiet --python .venv-mwaa-3.0/bin/python --require-hashes requirements-mwaa-3.0.lock
	@touch $@

demo: setup
	$(BIN)/python -m examples.flights.demo $(if $(KEEP),--keep)

down: setup
	$(BIN)/rheo down

# The quick ones first, each kind in a process of its own: a browser's event loop stays with the slow ones.
test: check .venv-mwaa-3.0/.ready
	$(BIN)/python -m pytest -m "not slow"
	$(BIN)/python -m pytest -m slow

fast: setup
	$(BIN)/python -m pytest -m "not slow"

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python -m benchmarks

golden: setup
	$(BIN)/python -m pytest -m "not slow" --update-golden

COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11

lock:
	$(COMPILE) --all-extras pyproject.toml -o requirements.lock
	$(COMPILE) --exclude-newer 2025-10-15 requirements-mwaa-3.0.in -o requirements-mwaa-3.0.lock

clean:
	rm -rf build .venv .venv-mwaa-3.0
