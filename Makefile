# Targets a newcomer needs: `make demo` and `make test`. Everything lives in .venv; nothing is installed outside it.
PYTHON ?= python3
BIN := .venv/bin
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: demo test lint simulate bench bench-guarantee bench-schema bench-events bench-import bench-launch bench-flat bench-spread bench-start bench-receipts chaos chaos-controls clean install install-dev lock

demo: .venv/installed
	@$(BIN)/campaigns demo

test: .venv/installed-dev lint
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Plays RUNS simulated runs from SEED on: `make simulate RUNS=20000` for a night, `make simulate SEED=17 RUNS=1` again.
simulate: RUNS ?= 1000
simulate: SEED ?= 1
simulate: .venv/installed-dev
	@$(BIN)/python -m tests.simulation.run --seed $(SEED) --runs $(RUNS)

bench: .venv/installed-dev
	$(BIN)/python tests/benchmarks/run.py

# Whether more senders send more: each in a network namespace of its own, PostgreSQL, Redis and the provider over TCP; as root.
bench-spread: .venv/installed-dev
	$(BIN)/python tests/benchmarks/spread.py

# What the guarantee costs: the same build with and without it, on both databases. Fails if it is more than a quarter.
bench-guarantee: .venv/installed-dev
	DESIGNS=unguarded,ours DATABASES=sqlite,postgresql $(BIN)/python tests/benchmarks/run.py

# The schema service against the bare SQL of the same requests: a million contacts, on both databases, in turn.
bench-schema: .venv/installed-dev
	$(BIN)/python -m tests.benchmarks.schema

# From an event to the provider's socket: idle, beside a bulk run, beside another tenant's, and by one task per event.
bench-events: .venv/installed-dev
	$(BIN)/python -m tests.benchmarks.events

# An import against a bare bulk load of the same million rows, on both databases, in turn.
bench-import: .venv/installed-dev
	$(BIN)/python -m tests.benchmarks.importing

# A launch over a million people: until the first message, until the last is enrolled; on both databases.
bench-launch: .venv/installed-dev
	$(BIN)/python -m tests.benchmarks.launching

# How long `campaigns --help` takes, and a worker until its first task is done, beside a bare Celery worker.
bench-start: .venv/installed-dev
	$(BIN)/python -m tests.benchmarks.starting

# What a receipt costs, judged as it comes in, and put by to be applied later.
bench-receipts: .venv/installed-dev
	$(BIN)/python -m tests.benchmarks.receipts

# Whether claims, commits and status stay as cheap among 10,000,000 enrollments, and what archiving costs; PostgreSQL.
bench-flat: .venv/installed-dev
	$(BIN)/python -m tests.benchmarks.flat

chaos: SECONDS ?= 600
chaos: CONTACTS ?= 10000
chaos: SEED ?= 1
chaos: DATABASE ?= postgres
chaos: .venv/installed-dev
	$(BIN)/python -m tests.chaos.run --seconds $(SECONDS) --contacts $(CONTACTS) --seed $(SEED) --database $(DATABASE)

chaos-controls: .venv/installed-dev
	$(BIN)/python -m tests.chaos.controls

install: .venv/installed
install-dev: .venv/installed-dev

# No system pip, no compiler, no network name in the lock: wheels by hash, from whatever index pip is configured for.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "Python 3.11 or newer is needed: $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make demo PYTHON=python3.11"; exit 2; }
	@[ -w . ] || { echo "This folder is read-only: $(CURDIR). Clone the project to a place you may write to."; exit 2; }
	@$(PYTHON) -m venv .venv \
		|| { echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv"; exit 2; }

.venv/installed: requirements.txt pyproject.toml | .venv/bin/python
	@echo "Installing into .venv (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements.txt \
		|| { echo "Installation failed: see the message above. A package without a wheel for this Python or machine would need a compiler; Python 3.11 on Linux or macOS has wheels for all."; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements-dev.txt
	@touch $@

# Rewrites both lock files from pyproject.toml; needs `uv` on the path.
lock:
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links pyproject.toml --group build -o requirements.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links -c requirements.txt pyproject.toml --group build --group dev -o requirements-dev.txt

clean:
	rm -rf .venv .campaigns build ./*.egg-info
