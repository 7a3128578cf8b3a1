# Everlist. `make help` lists what can be done; everything is set up when it is needed.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run setup test check fix bench soak lock client schema

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: setup ## set everything up and serve a demo account; prints an address, a token and a line to try
	$(BIN)/everlist serve --demo

setup: .venv/.made .venv-official/.made ## make .venv with everything, from the lock file

test: setup ## run all tests, on the embedded PostgreSQL or on EVERLIST_TEST_DATABASE_URL
	$(BIN)/python -m pytest
	EVERLIST_TEST_POSTGRESQL=16 $(BIN)/python -m pytest -q tests/v3/test_stories.py tests/core tests/schema

check: .venv/.made ## lint, format, spelling, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/pyright
	$(BIN)/lint-imports

fix: .venv/.made ## format, and mend what can be mended by itself
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: .venv/.made ## print the benchmarks as ratios against a reference measured in the same run
	$(BIN)/python -m bench

soak: setup ## run the random histories, the kills of processes and other real faults for long
	EVERLIST_LONG=1 $(BIN)/python -m pytest tests/worker tests/ext/test_histories.py tests/core/test_histories.py

lock: .venv/.made ## renew the lock files
	$(BIN)/uv pip compile pyproject.toml --extra server --group dev --universal --python-version 3.11 --upgrade --generate-hashes \
		--no-annotate --no-header --quiet --output-file requirements.lock
	$(BIN)/uv pip compile tests/official/requirements.in --universal --python-version 3.11 --upgrade --generate-hashes \
		--no-annotate --no-header --quiet --output-file tests/official/requirements.lock

client: .venv/.made ## renew src/everlist/client/_sync, and its tests, from _async
	$(BIN)/python -m tests.client.generate

schema: .venv/.made ## renew src/everlist/schema/current.sql from the migrations
	$(BIN)/python -m tests.schema.snapshot

.venv/.made: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Everlist needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

.venv-official/.made: tests/official/requirements.lock | .venv/.made
	test -x .venv-official/bin/python || $(PYTHON) -m venv .venv-official
	$(BIN)/uv pip sync --quiet --python .venv-official/bin/python --require-hashes \
		--build-constraints tests/official/requirements.lock tests/official/requirements.lock
	touch $@
