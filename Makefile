# Needs Python 3.11+, make and a package registry; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help run test coverage check bench docs clean

help: ## show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

# Made again only when pyproject.toml changed.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; try: make PYTHON=python3.12")'
	@test -x $(BIN)/python || { echo "Creating .venv ..."; $(PYTHON) -m venv .venv; }
	@echo "Installing dependencies (the first time takes a minute or two) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(STAMP)

run: $(STAMP) ## start the example shop: web server, worker, Redis, database (PORT=8000)
	@exec $(BIN)/python -m example_app run

test: $(STAMP) ## run the whole suite
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

coverage: $(STAMP) ## the same with branch coverage, servers and workers included
	@$(BIN)/python -m coverage erase
	@$(BIN)/python -m coverage run -m pytest -n $(WORKERS) --dist loadgroup
	@$(BIN)/python -m coverage combine -q
	@$(BIN)/python -m coverage report --skip-covered

check: $(STAMP) ## ruff, formatting, mypy strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(STAMP) ## CPU time per request, as a ratio to bare Flask
	@$(BIN)/python -m benchmarks

docs: $(STAMP) ## write docs/settings.md from the settings dataclasses
	@$(BIN)/python -m docs.build

clean: ## remove .venv and the example's data
	rm -rf .venv instance .pytest_cache .mypy_cache .ruff_cache
