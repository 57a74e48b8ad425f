# Every target makes what it needs: a virtual environment in .venv, with the package in it.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: mnist test test-long lint bench clean

mnist: .venv/installed          ## train the larger CNN on MNIST and print its test error
	$(BIN)/python examples/mnist_larger.py

test: .venv/installed-test      ## the test suite: a few minutes
	$(BIN)/python -m pytest -m "not long"

test-long: .venv/installed-test ## all of it, the slow tests included
	$(BIN)/python -m pytest

lint: .venv/installed-lint      ## style and types
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:                          ## remove the environment and what the tools left behind
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "tinynet needs Python 3.11 or later; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)."; \
	    echo "Name another one: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/installed-%: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	@touch $@
