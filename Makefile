# Everything a person types. Each target sets up what it needs: Python 3.11 or newer and make are enough.
PYTHON ?= python3
PY := .venv/bin/python
ARGS ?=
# so many tests at a time: most of them wait
BESIDE ?= 5
ON_POSTGRES = tests/store tests/alerts tests/people tests/permissions tests/bot tests/engine

.DEFAULT_GOAL := help
.PHONY: help demo test test-postgres lint format lock docs screenshots bench clean

help:  ## say what can be typed
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv/run: requirements.lock pyproject.toml
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@PYTHONWARNINGS=ignore $(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: .venv/run requirements-dev.lock
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

demo: .venv/run  ## run segsync with local stand-ins for Slack and the platforms (ARGS="--port 0 --no-browser")
	@exec $(PY) -m cli demo $(ARGS)

test: .venv/dev  ## run every test (ARGS="-k pause")
	@$(PY) -m pytest -n $(BESIDE) --dist loadscope --no-loadscope-reorder $(ARGS)

test-postgres: .venv/dev  ## run what touches the database on a real PostgreSQL, which pip has installed
	@SEGSYNC_TEST_DATABASE=postgresql $(PY) -m pytest -n $(BESIDE) --dist loadscope --no-loadscope-reorder $(or $(ARGS),$(ON_POSTGRES))

lint: .venv/dev  ## ruff, mypy strict, import rules
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports --no-cache

format: .venv/dev  ## put the code into its one form
	@$(PY) -m ruff check --fix-only --quiet .
	@$(PY) -m ruff format --quiet .

lock:  ## renew both lock files from pyproject.toml
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@$(PY) -m pip install --quiet --disable-pip-version-check uv
	@.venv/bin/uv pip compile pyproject.toml --extra distributed --universal --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --quiet --upgrade -o requirements.lock
	@.venv/bin/uv pip compile pyproject.toml --extra distributed --extra otel --group dev --universal --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --quiet --upgrade -c requirements.lock -o requirements-dev.lock

clean:  ## forget the environment and the caches
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info

docs: .venv/dev  ## write the pages in docs/ that come from code anew
	@$(PY) -m tests.channels.page
	@$(PY) -m tests.alerts.page
	@$(PY) -m tests.cli.page

screenshots: .venv/dev  ## take the pictures in docs/ from the demo in Chromium
	@$(PY) -m tests.browser.screens

bench: .venv/dev  ## the speed of the engine as ratios (ARGS="--rows N --json FILE")
	@$(PY) -m benchmarks $(ARGS)
