# Every target makes what it needs: a virtual environment in .venv, with the package in it.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: mnist test test-long mutants bench docs listings lint clean

mnist: .venv/installed          ## train the larger CNN on MNIST and print its test error
	$(BIN)/python examples/mnist_larger.py

test: .venv/installed-test      ## the test suite: a few minutes
	$(BIN)/python -m pytest -m "not long"

test-long: .venv/installed-test ## all of it with many more examples, and the seeded defects: hours
	TINYNET_HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest
	$(MAKE) mutants

mutants: .venv/installed-test   ## seed defects into copies of the code: does the suite find them?
	$(BIN)/python tests/mutants/run.py --jobs 2

bench: .venv/installed          ## how fast; BENCH='--with pytorch=PYTHON' sets another engine beside it
	$(BIN)/python tests/benchmarks/bench.py $(BENCH)

docs: .venv/installed-docs      ## the book as a site, in site/
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env docs site
	@echo "Open site/index.html in a browser."

listings: .venv/installed-docs  ## write tinynet's source anew into the pages of the book that show it
	$(BIN)/python docs/listing.py

lint: .venv/installed-lint .venv/installed-test  ## style and types
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:                          ## remove the environment and what the tools left behind
	rm -rf .venv build site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

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
