# Needs Python 3.11+, make and a package registry; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
BROWSER := .venv/.browser
WORKERS ?= 3
# The tests start hundreds of processes: without stored bytecode each of them, and each worker, compiles everything anew.
CACHED := PYTHONDONTWRITEBYTECODE=

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

# The tests of /docs open a real browser, which no Python package brings. Without one they are skipped; with CI=true they fail.
$(BROWSER): | $(STAMP)
	@found() { for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null 2>&1 && return; done; return 1; }; \
	install() { \
		command -v apt-get >/dev/null 2>&1 || return 1; \
		if [ "$$(id -u)" = 0 ]; then root=; elif sudo -n true 2>/dev/null; then root="sudo -n"; else return 1; fi; \
		echo "Installing Chromium for the browser tests (once) ..."; \
		$$root apt-get update -qq >/dev/null 2>&1; \
		$$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null 2>&1; \
	}; \
	found || install; \
	if found; then touch $@; else \
		echo "No Chromium here, so the browser tests are skipped (with CI=true they fail). To run them, install it:"; \
		echo "    sudo apt-get update && sudo apt-get install -y chromium"; \
	fi

run: $(STAMP) ## start the example shop: web server, worker, Redis, database (PORT=8000)
	@exec $(BIN)/python -m example_app run

test: $(STAMP) $(BROWSER) ## run the whole suite
	@$(CACHED) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

coverage: $(STAMP) $(BROWSER) ## the same with branch coverage, servers and workers included
	@$(BIN)/python -m coverage erase
	@$(CACHED) $(BIN)/python -m coverage run -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
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
