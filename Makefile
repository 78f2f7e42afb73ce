# make demo   a minute with the sample catalog
# make check  what CI runs, but for the wheel

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
TOOLS := $(VENV)/.tools-installed

.PHONY: help demo test test-long test-live test-mcp test-browser test-faults pictures actionlint lint check bench clean
.DEFAULT_GOAL := help

help:
	@echo "make demo       the sample catalog: validate, plan, apply, drift"
	@echo "make test       the tests"
	@echo "make test-long  the same, with many more random cases"
	@echo "make test-live  those that a real OpenMeter can run, against BAC_TEST_OPENMETER=http://host:port"
	@echo "make test-mcp   the MCP conformance suite and Inspector (from npm) against bac mcp"
	@echo "make test-browser  the HTML report, in a Chromium"
	@echo "make pictures   the README's pictures, from real output"
	@echo "make actionlint installs what make test checks workflow files with, where it is there"
	@echo "make test-faults  kills, lost answers, noise, races and rubbish in full; writes docs/reliability.md"
	@echo "make lint       ruff and mypy"
	@echo "make check      lint, tests, and whether generated files are up to date"
	@echo "make bench      how long reading, planning and applying take"

demo: $(RUNTIME)
	@$(BIN)/python scripts/demo.py

# what is thorough without coverage, which would take most of its time
test: $(TOOLS)
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not thorough" --cov --cov-report=term
	$(BIN)/python -m pytest -n 3 --dist worksteal -m thorough

test-long: $(TOOLS)
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest

# one after another: more than a few writes of entitlements at once hang an OpenMeter with few database connections
test-live: $(TOOLS)
	$(BIN)/python -m pytest tests/live -vv -rs

# writes docs/mcp-conformance.md
test-mcp: $(RUNTIME)
	@command -v npm >/dev/null || { echo "make test-mcp wants npm, and there is none"; exit 1; }
	@npm ci --prefix tests/conformance --ignore-scripts --no-audit --no-fund --loglevel=error
	@$(BIN)/python scripts/conformance.py

# installs Chromium where it is missing and root asks, from Debian's packages
test-browser: $(TOOLS)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group browser
	@BAC_TEST_BROWSER="$$($(BIN)/python scripts/chromium.py)" && export BAC_TEST_BROWSER && \
		$(BIN)/python -m pytest tests/render/test_plan_in_browser.py -vv -rs

pictures: $(TOOLS)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group browser
	$(BIN)/python scripts/picture.py
	@BAC_TEST_BROWSER="$$($(BIN)/python scripts/chromium.py)" && export BAC_TEST_BROWSER && \
		$(BIN)/python scripts/photograph.py

# its package fetches a program from GitHub; where that cannot be reached Go's proxy has the source
actionlint: $(TOOLS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group workflows || \
		GOBIN="$(abspath $(BIN))" go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

# some 20 minutes on two processors; what it counts becomes the page
test-faults: $(TOOLS)
	@echo '{"what": "sizes", "whole": 1}' > .faults
	BAC_FAULTS=full BAC_FAULTS_COUNTS=$(CURDIR)/.faults $(BIN)/python -m pytest -n 2 --dist worksteal tests/faults
	$(BIN)/python scripts/reliability.py .faults

lint: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test
	$(BIN)/bac schema --check
	$(BIN)/python scripts/reference.py --check
	$(BIN)/python scripts/picture.py --check
	$(BIN)/python scripts/transcript.py --check
	$(BIN)/bac validate

bench: $(RUNTIME)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# pip knows dependency groups from 25.1 on
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"

$(RUNTIME): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(TOOLS): pyproject.toml $(RUNTIME)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group test --group lint
	@touch $@
