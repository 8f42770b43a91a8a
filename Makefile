# One command runs what CI runs. Paths stay relative, so a checkout may lie in a folder
# whose name has spaces.
.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-oldest fuzz lint format docs linkcheck package clean

PYTHON ?= python3
EXTRAS ?= esm,torch,boosting,keras,solar,tuning,arrow,save,data,plot,test
LINE =
DATA =
WEIGHTS =
MODEL =
OUTPUT = demo_output
NAME =
SECONDS = 60

python := .venv/bin/python
# Caches that would otherwise be written to the home folder.
export MPLCONFIGDIR := $(CURDIR)/.cache/matplotlib
# TensorFlow's notes on the processor are no news.
export TF_CPP_MIN_LOG_LEVEL ?= 3

help:  ## List the commands
	@grep -hE '^[a-z-]+:.*## ' Makefile | awk -F':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

.venv/.installed: pyproject.toml .ci/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python >= 3.11 is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(python) -m pip install --quiet -c .ci/constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

demo: .venv/.installed  ## Run all lines, or LINE=protein and so on; own DATA=file.fasta WEIGHTS=file.pt MODEL=name
	@$(python) examples/demo --output '$(OUTPUT)' $(if $(LINE),--line '$(LINE)') \
		$(if $(DATA),--data '$(DATA)') $(if $(WEIGHTS),--weights '$(WEIGHTS)') \
		$(if $(MODEL),--model '$(MODEL)')

test: .venv/.installed  ## Run the tests, doctests included
	$(python) -m pytest --basetemp .pytest_tmp

test-slow: .venv/.installed  ## Run the tests that take minutes
	$(python) -m pytest --basetemp .pytest_tmp -m slow

test-oldest:  ## Run the tests with the oldest versions supported (PYTHON=python3.11, 8 GB)
	$(PYTHON) -m venv .cache/oldest
	.cache/oldest/bin/python -m pip install --quiet -c .ci/constraints-oldest.txt -e '.[$(EXTRAS)]'
	.cache/oldest/bin/python -m pytest --basetemp .pytest_tmp

fuzz: .venv/.installed  ## Fuzz all readers of files, or NAME=read_fasta, SECONDS=60 each
	$(python) -m pip install --quiet -c .ci/constraints.txt -e '.[fuzz]'
	$(python) tests/fuzz/fuzz_readers.py $(if $(NAME),'$(NAME)') --seconds $(SECONDS)

lint: .venv/.installed  ## Check format and style
	$(python) -m ruff format --check .
	$(python) -m ruff check .

format: .venv/.installed  ## Format and mend what can be mended
	$(python) -m ruff check --fix .
	$(python) -m ruff format .

docs: .venv/.installed  ## Build the documentation into docs/_build/html
	$(python) -m pip install --quiet -c .ci/constraints.txt -e '.[docs]'
	$(python) -m sphinx -W --keep-going -b html docs docs/_build/html

linkcheck: docs  ## Check the links within the documentation
	.venv/bin/linkchecker --no-status -f docs/linkcheckerrc docs/_build/html/index.html

package:  ## Build wheel and sdist, and try the wheel in an environment without extras
	rm -rf dist .cache/empty
	$(PYTHON) -m venv .cache/empty
	.cache/empty/bin/python -m pip install --quiet -c .ci/constraints.txt build pytest
	.cache/empty/bin/python -m build --quiet --outdir dist
	.cache/empty/bin/python -m pip install --quiet -c .ci/constraints.txt dist/*.whl
	cd dist && PYTHONPATH=../tests ../.cache/empty/bin/python ../.ci/check_package.py

clean:  ## Remove what the other commands made
	rm -rf .venv .cache .pytest_cache .pytest_tmp .ruff_cache demo_output dist
	rm -rf docs/_build docs/auto_examples docs/api docs/sg_execution_times.rst
