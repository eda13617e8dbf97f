# `make demo` and `make test` set everything up themselves.
PYTHON ?= $(shell command -v python3.12 >/dev/null 2>&1 && python3.12 -c '' 2>/dev/null && echo python3.12 || (command -v python3.11 >/dev/null 2>&1 && python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3))
BIN := .venv/bin
# Some machines forbid Python to keep what it compiles; every process of a stack would compile Airflow anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup demo down test fast check lock golden explore explore-all mutants bench clean

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

# LocalStack, a stand-in of AWS that nobody here has shaped; it cannot share an environment with moto.
.venv-localstack/.ready: requirements-localstack.lock .venv/.ready
	@test -x .venv-localstack/bin/python || $(BIN)/python -m venv --without-pip .venv-localstack
	$(BIN)/uv pip sync --quiet --python .venv-localstack/bin/python --require-hashes requirements-localstack.lock
	@touch $@

# Spark 4.1, on which jobs of Glue 6.0 run; it cannot share an environment with 3.5.
.venv-spark-4.1/.ready: requirements-spark-4.1.lock .venv/.ready
	@test -x .venv-spark-4.1/bin/python || $(BIN)/python -m venv --without-pip .venv-spark-4.1
	$(BIN)/uv pip sync --quiet --python .venv-spark-4.1/bin/python --require-hashes requirements-spark-4.1.lock
	@touch $@

demo: setup
	$(BIN)/python -m examples.flights.demo $(if $(KEEP),--keep)

down: setup
	$(BIN)/rheo down

# What is quick; then the rest, three files at a time on two cores: those that run an Airflow and a Spark mostly wait for it. What
# needs a whole stack shares one, and comes first.
QUICK := $(BIN)/python -m pytest -m "not slow" -n 2
THOROUGH := $(BIN)/python -m pytest -m "slow or random" --hypothesis-profile=thorough --durations=40 \
	-n 3 --dist loadfile --no-loadscope-reorder

# The other environments are installed while mypy, which uses one core, reads everything.
test: setup
	$(MAKE) --no-print-directory -j 2 check .venv-mwaa-3.0/.ready .venv-localstack/.ready .venv-spark-4.1/.ready
	$(QUICK)
	$(THOROUGH)

fast: setup
	$(QUICK)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Every order of what may happen in small scenes (tests/explore): to the end, and those that have more, of batches and
# pumps, for a minute each; faults put in on purpose that it has to find.
EXPLORE := cd tests && PYTHONPATH=.:.. ../$(BIN)/python -m explore

explore: setup
	$(EXPLORE)

explore-all: setup
	$(EXPLORE) --only "" --seconds 60

mutants: setup
	cd tests && PYTHONPATH=.:.. ../$(BIN)/python -m explore.mutants

bench: setup
	$(BIN)/python -m benchmarks

golden: setup
	$(BIN)/python -m pytest -m "not slow" --update-golden

COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11

lock:
	$(COMPILE) --all-extras pyproject.toml -o requirements.lock
	$(COMPILE) --exclude-newer 2025-10-15 requirements-mwaa-3.0.in -o requirements-mwaa-3.0.lock
	$(COMPILE) requirements-spark-4.1.in -o requirements-spark-4.1.lock
	$(subst --universal,--python-platform linux,$(COMPILE)) requirements-localstack.in -o requirements-localstack.lock

clean:
	rm -rf build .venv .venv-mwaa-3.0 .venv-localstack .venv-spark-4.1
