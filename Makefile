# Everything a newcomer needs is here: `make demo` and `make test` install what they use into .venv and reuse it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
BENCHES := $(filter-out __init__ harness,$(basename $(notdir $(wildcard bench/*.py))))

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types bench peers doctor clean distclean

help:  ## list the tasks
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP)  ## create .venv and install everything into it

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); sys.exit(0 if ok else "Understudy needs Python 3.11 to 3.13, found %d.%d: call make with PYTHON=python3.11" % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) (once; about 2 GB, two minutes) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'setuptools>=77,<80' wheel
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'torch==2.13.0'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[ros,sim,train,dev]'
	@touch $@

demo: $(STAMP)  ## the main job: demonstrate, record, train, deploy behind the gate, report
	$(BIN)/understudy demo $(ARGS)

test: $(STAMP) lint  ## static checks, unit tests, ROS and simulator integration tests
	$(BIN)/python -m pytest $(ARGS)

lint: $(STAMP)  ## ruff, strict mypy, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

doctor: $(STAMP)  ## what is missing on this machine, and how to mend it
	$(BIN)/understudy doctor $(ARGS)

bench: $(STAMP)  ## every bench, quick form (ARGS= for the full one takes longer)
	@for name in $(BENCHES); do echo "== bench.$$name"; $(BIN)/python -m bench.$$name --quick || exit 1; done

peers: $(STAMP)  ## scratch environments of the libraries that benches compare with
	@for pins in $(wildcard bench/peers/*.txt); do name=$$(basename $$pins .txt); \
	  test -x .venv-$$name/bin/python || { $(PYTHON) -m venv .venv-$$name && .venv-$$name/bin/python -m pip install --quiet -r $$pins; } || exit 1; done

clean:  ## remove runs and caches, keep the environment
	rm -rf runs .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build *.egg-info

distclean: clean  ## remove the environments too
	rm -rf .venv .venv-*
