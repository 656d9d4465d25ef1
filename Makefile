# make run    create .venv, install, run the demo network of four nodes
# make test   create .venv, install, run the tests, several at once (JOBS=1: one at a time; COVERAGE=1: with make coverage, no test twice)
# make test-ray install Ray too, run the tests of sweeps and runs over a cluster of two Ray nodes on this machine
# make test-trackers install MLflow and Weights & Biases too, run the tests of exports to them
# make check  create .venv, install, lint, types, layers
# make coverage run the tests of core, actors, sdk and runtime, counting branches; fails below the gates
# make lowest create .venv-lowest with the lowest versions that setup.cfg allows, run the tests of the core
# make clean  remove both and everything that tools left behind
#
# The first call installs; the others find the stamp and do not. PYTHON=python3.12 chooses another interpreter.

PYTHON ?= $(shell python3.11 -c "" 2>/dev/null && echo python3.11 || echo python3)
# Tests wait more than they work, so that one process more than there are cores is busy.
JOBS ?= $(shell echo $$(( $$(nproc 2>/dev/null || echo 2) + 1 )))
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOWEST := .venv-lowest

# Every command that a test starts would compile the package anew: half of its start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-ray test-trackers check coverage lowest clean

run: $(STAMP)
	$(BIN)/dfl-actors run topologies/fully_connected_4.toml

PYTEST := -m pytest -n $(JOBS) --dist worksteal

test: $(STAMP) $(if $(COVERAGE),coverage)
	$(BIN)/python $(PYTEST) $(if $(COVERAGE),$(COVERED:%=--ignore=%))

test-trackers: $(STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable ".[dev,mlflow,wandb]"
	$(BIN)/python -m pytest -q tests/report/runs/test_trackers.py

test-ray: $(STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable ".[dev,ray]"
	$(BIN)/python -m pytest -q -m ray tests/api/test_ray.py

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports --no-logo

$(STAMP): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit(f'$(PYTHON) is Python {v[0]}.{v[1]}; dfl_actors needs 3.11 to 3.13: make PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@

# What is counted in processes that are started counts too; whatever ran before is forgotten. To count makes a test twice to three times
# as slow, so that scenarios are left to the others, but for those with neighbours that break rules.
COVERED := tests/core tests/actors tests/sdk tests/runtime tests/processes tests/network/test_run.py tests/scenarios/test_adversaries.py \
	tests/scenarios/test_adversarial_drafts.py tests/scenarios/test_attackers.py

coverage: $(STAMP)
	$(BIN)/coverage erase
	$(BIN)/coverage run $(PYTEST) $(COVERED)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage json --quiet -o .coverage.json
	$(BIN)/python tools/coverage_gate.py .coverage.json

# Python 3.11, unless PYTHON says otherwise: the lowest versions have no wheels for newer ones.
lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/python -m pytest -q tests/core tests/config tests/actors tests/runtime/test_stores.py tests/cli/test_cli.py

$(LOWEST)/.installed: setup.cfg tools/lowest.py
	$(PYTHON) -m venv --clear $(LOWEST)
	$(PYTHON) tools/lowest.py > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --disable-pip-version-check --quiet --requirement $(LOWEST)/lowest.txt
	@touch $@

clean:
	rm -rf $(VENV) $(LOWEST) build dist *.egg-info .import_linter_cache .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find dfl_actors tests tools topologies -name __pycache__ -type d -prune -exec rm -rf {} +
