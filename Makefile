# From a clean clone, `make run` and `make test` need Python 3.11, make, and root on Debian (or the
# Debian packages python3-venv and, for some tests, postgresql and chromium).  `make help` lists the rest.

# Debian's own Python is built with profile-guided optimisation; others on PATH often are not, and then half as fast.
PYTHON   ?= $(or $(firstword $(wildcard /usr/bin/python3.11 /usr/bin/python3.12 /usr/bin/python3.13)),python3)
WORKERS  ?= 2
ARGS     ?=
# 0 leaves out what the tests marked `browser` need: Debian's chromium, and an OpenID provider from npm.
CHROMIUM ?= 1

BIN     := .venv/bin
PIP     := $(BIN)/python -m pip --disable-pip-version-check --quiet
APT     := DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120
RUN     := .venv/.installed-run
DEV     := .venv/.installed-dev
PURE    := src/fleeting/core/*,src/fleeting/policy/*
INITDB   = $(firstword $(wildcard /usr/lib/postgresql/*/bin/initdb))
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-strip-extras --generate-hashes

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run test check bench fuzz lock clean postgres chromium provider

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  ARGS=… reaches the program: make run ARGS='--help', make test ARGS='-k spend'"

run: $(RUN) ## start the demo
	@$(BIN)/fleeting demo $(ARGS)

# With ARGS only some tests run, so the bound on coverage is not asked of them.
test: $(DEV) postgres chromium provider ## run the tests; core and policy must be covered whole
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report= $(ARGS)
ifeq ($(strip $(ARGS)),)
	$(BIN)/python -m coverage report --include='$(PURE)' --fail-under=100
endif

check: $(DEV) ## lint, types, architecture, then the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=src $(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

bench: $(DEV) ## measure, against a peer too where Node.js is there
	@command -v node >/dev/null && command -v npm >/dev/null || \
	  echo "bench: the peer is left out, because node or npm is missing (Debian: apt-get install nodejs npm)"
	$(BIN)/python -m bench $(ARGS)

fuzz: $(DEV) ## hold the compiled policies to the Cedar engine, for a minute (ARGS='--seconds 3600 --seed 7')
	$(BIN)/python -m tests.policy.fuzz $(ARGS)

lock: $(DEV) ## compile both locks anew (ARGS=--upgrade takes newer releases)
	$(COMPILE) pyproject.toml --extra demo --group build $(ARGS) -o requirements.lock
	$(COMPILE) pyproject.toml --extra dev --group build $(ARGS) -c requirements.lock -o requirements-dev.lock

clean: ## remove what can be made again
	rm -rf .venv build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache \
	  .pytest_cache .ruff_cache
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# ------------------------------------------------------------------------------- the environment

# Debian's python3 comes without ensurepip: then `python3 -m venv` fails half-way and leaves no pip.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Fleeting needs Python 3.11 or newer as $(PYTHON); say PYTHON=… to name another" >&2; exit 1; }
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing Debian's python3-venv"; $(APT) update && $(APT) install -y python3-venv >/dev/null; \
	  else \
	    echo "$(PYTHON) cannot make virtual environments: apt-get install python3-venv, as root" >&2; exit 1; \
	  fi; \
	fi
	$(PYTHON) -m venv --clear .venv

# Everything comes from the lock, by hash; the project itself is built with the locked hatchling.
# The development lock holds the whole of the other one, at the same versions.
$(RUN): requirements.lock pyproject.toml | $(BIN)/pip
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation --no-index -e .
	@touch $@

$(DEV): requirements-dev.lock requirements.lock pyproject.toml | $(BIN)/pip
	$(PIP) install --require-hashes -r requirements-dev.lock
	$(PIP) install --no-deps --no-build-isolation --no-index -e .
	@touch $(RUN) $@

# The tests start a cluster of their own; all they need is the server's programs.
postgres:
	@if [ -n "$(INITDB)" ] || command -v initdb >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing Debian's postgresql"; $(APT) update && $(APT) install -y postgresql >/dev/null; \
	else \
	  echo "PostgreSQL is missing: its tests are left out (Debian: apt-get install postgresql, as root)"; \
	fi

chromium:
ifeq ($(CHROMIUM),1)
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing Debian's chromium"; $(APT) update && $(APT) install -y chromium >/dev/null; \
	else \
	  echo "Chromium is missing: its tests are left out (Debian: apt-get install chromium, as root)"; \
	fi
endif

# The provider that people sign in with in the tests is the benchmark's peer, from the same lock.
provider:
ifeq ($(CHROMIUM),1)
	@if [ -d bench/peer/node_modules/oidc-provider ]; then :; \
	elif command -v node >/dev/null && command -v npm >/dev/null; then \
	  echo "installing oidc-provider for the tests"; (cd bench/peer && npm ci --silent) || \
	  echo "oidc-provider cannot be installed: its tests are left out" >&2; \
	else \
	  echo "Node.js is missing: the tests of login are left out (Debian: apt-get install nodejs npm)"; \
	fi
endif
