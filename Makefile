# The two commands are `make demo` and `make test`; both bring what they need first (scripts/setup.sh).

SHELL = /bin/sh
.DEFAULT_GOAL := help

BIN := .venv/bin
# A published package to rebuild: any purl or recipe that `rebuilder verify` takes.
DEMO ?= pkg:deb/debian/less?distro=trixie
PYTEST := $(BIN)/pytest
# Of `make image`: a tar of a root filesystem with Python, or an image that the engine has. Empty: make one.
BASE ?=
IMAGE ?= rebuilder:local
# Of `make soak`.
ROUNDS ?= 20
SECONDS ?= 1800

.PHONY: help setup demo self test check unit live soak bench image lock fix clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1|/p' Makefile | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

setup: ## bring what is missing: packages, virtual environment, Docker engine
	@scripts/setup.sh

demo: ## set-up, then rebuild one published Debian package and check the evidence (DEMO=purl for another)
	@scripts/setup.sh
	@$(BIN)/python scripts/demo.py '$(DEMO)'

self: ## is what this checkout makes reproducible: its wheel, its sdist, the toolchain's root filesystem
	@scripts/setup.sh
	@$(BIN)/python scripts/self.py

test: ## set-up, then every test
	@scripts/setup.sh --tests
	@scripts/test.sh
	@echo "make test: all passed. Left out, each a target of its own: live (the whole list of real packages), soak, bench"

check: ## lint, types and import rules
	@scripts/setup.sh --tests
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

unit: ## only the tests that need neither Docker nor a network
	@scripts/setup.sh --tests
	@$(PYTEST) -q tests/unit tests/golden

live: ## rebuild the whole list of real packages from the host's mirrors, from an empty store
	@scripts/setup.sh --tests
	@$(BIN)/python bench/live/run.py

soak: ## fuzz the comparison (SECONDS=1800), then kill the tool at random times and look for half a record (ROUNDS=20)
	@scripts/setup.sh --tests
	@$(BIN)/python -m tests.fuzz.walk $(SECONDS)
	@for round in $$(seq $(ROUNDS)); do $(PYTEST) -q -rP tests/integration/test_crashes.py || exit 1; done

bench: ## measure each claim as a ratio against a baseline of the same run
	@scripts/setup.sh --tests
	@for script in $(filter-out bench/measure.py bench/workplace.py bench/upstream.py,$(wildcard bench/*.py)); do $(BIN)/python "$$script" || exit 1; done

image: ## build the container image (BASE= tar or image, IMAGE= tag)
	@scripts/setup.sh
	@$(BIN)/python scripts/image.py --tag '$(IMAGE)' $(if $(BASE),--base '$(BASE)')

lock: ## write requirements/*.txt anew from pyproject.toml (UPGRADE=1 for the newest versions)
	@UPGRADE='$(UPGRADE)' scripts/lock.sh

fix: ## mend what ruff can mend by itself
	@scripts/setup.sh --tests
	$(BIN)/ruff check --fix .

clean: ## remove the virtual environment and caches; the state folder (keys, runs, blobs) stays
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf .rebuilder/wheelhouse .rebuilder/lock-tools .rebuilder/test-cache
