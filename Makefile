# Flyball. `make help` lists the targets; a fresh machine needs only Python 3.11+ and make.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test conformance check format types bench soak docs lock clean setup

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo:  ## Set up, then run the whole loop on real data; leaves a project in ./demo
	@echo "Flyball demo: from a table to a governed model"
	@$(PYTHON) tools/setup.py demo
	@$(BIN)/python examples/demo.py

setup:
	@$(PYTHON) tools/setup.py dev

test: check  ## Set up, then run every check and the whole test suite
	@$(BIN)/python -m pytest -n 2 --dist worksteal
	@$(MAKE) --no-print-directory docs

conformance: setup  ## Hold the server against MLflow's own, through MLflow's unmodified client; five minutes
	@$(BIN)/python tools/conformance.py

check: setup  ## Format, lint, types, layers and sizes; under a minute
	@$(BIN)/ruff format --check --quiet . || (echo "not formatted: run make format" && exit 1)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/python tools/check_sizes.py
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy

format: setup  ## Format the code and mend what the linter can
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .

docs: setup  ## Build the documentation, warnings as errors
	@$(BIN)/python tools/build_docs.py

bench: setup  ## All benchmarks, for hours: against named peers as ratios, and what is promised
	@$(BIN)/python -m benchmarks

soak: setup  ## The long crash trial: kills at random instants; stores of every earlier version
	@FLYBALL_SOAK=1 $(BIN)/python -m pytest -p no:randomly tests/soak tests/acceptance/test_earlier_stores.py -x

lock:  ## Resolve the lock files anew
	@$(PYTHON) tools/lock.py

clean:  ## Remove what the other targets made
	@rm -rf .venv .conformance demo dist build docs/_build .mypy_cache .ruff_cache .pytest_cache src/flyball/web_static web/node_modules
