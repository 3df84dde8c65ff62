# uncia: every command a person or CI needs. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
PACKAGES := contract backbones edge training converter collector simulation
export PYTHONPATH := $(subst $() ,:,$(addprefix $(CURDIR)/,$(PACKAGES)))
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: help simulate test check format starter demo-bundle bench clean
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.light: pyproject.toml constraints.txt | $(BIN)/python
	@echo "uncia: setting up $(VENV) (light: no TensorFlow) ..."
	@test -e $(VENV)/.dev || $(PIP) -e '.[simulation]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "uncia: setting up $(VENV) (dev: TensorFlow included, about 2.7 GB) ..."
	@$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.light

simulate: $(VENV)/.light ## replay recorded bursts: trap, broker and collector on this machine
	@$(BIN)/uncia-simulate

test: $(VENV)/.dev ## the tests
	$(BIN)/python -m pytest -q -m 'not slow and not faults and not hardware and not arm64'

check: $(VENV)/.dev ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what can be made again
	rm -rf out runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
