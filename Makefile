# `make` lists the targets. Each creates or updates .venv first where it is needed;
# PYTHON=python3.12 selects the interpreter.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup venv browser demo test test-recipes soak study ablation bench compat lint clean

export PYTHON
PY := .venv/bin/python

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: venv browser ## Create or update .venv, and see to a browser (only when needed)

venv:
	@.ci/setup

browser:
	@.ci/browser

demo: venv ## Train RCL and cross-entropy on real digits and print the table (4 minutes)
	@$(PY) tools/demo.py

# One process a core, each with one thread; the tests of a file stay together, with what they share.
test: setup ## Run the tests
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n $$(nproc) --dist loadfile

test-recipes: setup ## Step the large models of every recipe at their real input size (minutes)
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n $$(nproc) -m slow tests/test_configs

soak: setup ## Run the slow tests too (at most 20 minutes)
	@OMP_NUM_THREADS=1 timeout 1200 $(PY) -m pytest -n $$(nproc) --dist load -m slow --timeout 1200

study: venv ## Run the benchmark study
	@$(PY) tools/study.py

ablation: venv ## Run the ablation: six rows, five seeds (under 30 minutes on 2 cores)
	@$(PY) tools/ablate.py

bench: venv ## Measure speed and memory
	@$(PY) tools/benchmarks/run_all.py

compat: venv ## Check each mend for today's libraries
	@$(PY) tools/compat.py

lint: venv ## Check style, format and that imports go down only
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@.venv/bin/lint-imports --no-cache

clean: ## Remove build and test leftovers (not .venv, data or work_dirs)
	@rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	@find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
