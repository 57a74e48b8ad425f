# Every target makes what it needs: a virtual environment in .venv, with the package in it.
PYTHON ?= python3
BIN = .venv/bin
# The tests start many processes, and each would compile what it imports.
export PYTHONDONTWRITEBYTECODE =
PYTEST = $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder
SUITE = not book and not long and not browser and not mpi and not exercises and not rest   # each has a target of its own

.DEFAULT_GOAL = help
.PHONY: help mnist explore quick test test-rest test-book test-site test-exercises test-notebooks test-libraries
.PHONY: test-browser test-mpi lint-page test-long mutants checker-trial bench docs listings lint wheel clean

help:                           ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

mnist: .venv/installed          ## train the larger CNN on MNIST and print its test error
	$(BIN)/python examples/mnist_larger.py

explore: .venv/installed        ## touch every number of the larger CNN in a browser; trains it if there is none
	@mkdir -p figures
	$(BIN)/python -m tinynet explore figures/larger_cnn.safetensors --train

quick: .venv/installed-test     ## the faster tests, two cases of each: about a minute
	TINYNET_HYPOTHESIS_PROFILE=quick $(PYTEST) -m "not slow and $(SUITE)"

test: .venv/installed-test      ## the test suite: a few minutes
	$(PYTEST) -m "$(SUITE)"

test-rest: .venv/installed-test ## what `make test` has a sample of, or that many processes take: a minute or two
	$(PYTEST) -m "rest and not long" tests

test-book: .venv/installed-test docs  ## the tour, the site, the longest chapters and all figures
	$(BIN)/python -m pytest -n auto --dist loadgroup -m book

test-site: .venv/installed-test docs  ## the site: what it shows, every link, what it refuses
	$(BIN)/python -m pytest -m book tests/test_docs_site.py

test-exercises: .venv/installed-test  ## the exercises and bugs: every wrong and every right answer, minutes
	$(PYTEST) -m "" tests/exercises

test-notebooks: .venv/installed-test .venv/installed-notebooks  ## every chapter and lesson as a notebook, in a fresh kernel
	$(BIN)/python -m pytest -m "" tests/test_notebooks.py

test-libraries: .venv-libraries/installed  ## check_function on PyTorch, JAX, autograd and MyGrad, and the page about it
	.venv-libraries/bin/python -m pytest -m "" tests/testing/test_check_function.py tests/test_docs.py -k "check_function or testing-gradients"

test-browser: .venv/installed-test .venv/installed-browser  ## the explorer's page in a real browser; its code's style and types where npm is
	$(BIN)/python tests/browser/ready.py
	@if command -v npm > /dev/null; then $(MAKE) lint-page; \
	else echo "There is no npm: the style and types of the page's JavaScript were NOT checked."; fi
	$(PYTEST) -m "browser and not alone" tests/browser tests/explore
	$(BIN)/python -m pytest -m "browser and alone" tests/browser

test-mpi: .venv/installed-test  ## training on several processes: the same bits, kills, what goes wrong: minutes
	@$(MAKE) --no-print-directory .venv/installed-mpi || echo "mpi4py and mpich could not be installed."
	$(BIN)/python tests/mpi/mpi_ready.py
	$(BIN)/python -m pytest -m "mpi and not long" tests/mpi

lint-page: tests/browser/node_modules/installed
	npm --prefix tests/browser run --silent lint
	npm --prefix tests/browser run --silent types

tests/browser/node_modules/installed: tests/browser/package.json
	npm --prefix tests/browser install --no-package-lock --no-audit --no-fund --loglevel error
	@touch $@

test-long: .venv/installed-test docs ## all of it with many more examples, and the seeded defects: hours
	TINYNET_HYPOTHESIS_PROFILE=thorough $(PYTEST) -m "not browser and not mpi"
	$(MAKE) mutants

mutants: .venv/installed-test   ## seed defects into copies of the code: does the suite find them?
	$(BIN)/python tests/mutants/run.py --jobs 2

checker-trial: .venv/installed-test  ## try the checker on right and wrong functions: 20 minutes
	$(BIN)/python tests/checker_trial/run.py

bench: .venv/installed          ## how fast; BENCH='--with pytorch=PYTHON' sets another engine beside it
	$(BIN)/python tests/benchmarks/bench.py $(BENCH)

docs: .venv/installed-docs      ## the book as a site, in site/; the first time the model on its front page is trained
	$(BIN)/python docs/page_file.py
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env docs site
	@echo "Open site/index.html in a browser."

listings: .venv/installed-docs  ## write tinynet's source anew into the pages of the book that show it
	$(BIN)/python docs/listing.py

lint: .venv/installed-lint .venv/installed-test  ## style and types
	$(BIN)/ruff check .
	$(BIN)/mypy

wheel: .venv/installed-wheel    ## what is uploaded, in dist/; installed and tried in fresh environments
	$(BIN)/python tests/smoke_wheel.py

clean:                          ## remove the environment, what the tools left behind, and compiled kernels
	rm -rf .venv .venv-libraries build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find tinynet tests docs examples -name __pycache__ -prune -exec rm -rf {} +

# Gigabytes, for one file of tests: an environment of its own.
.venv-libraries/installed: pyproject.toml
	$(PYTHON) -m venv .venv-libraries
	.venv-libraries/bin/python -m pip install --quiet --editable '.[test]' torch jax autograd mygrad
	@touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "tinynet needs Python 3.11 or later; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)."; \
	    echo "Name another one: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml tinynet/testing/pytest_plugin.py
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/installed-%: .venv/bin/python pyproject.toml tinynet/testing/pytest_plugin.py
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	@touch $@
