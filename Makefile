# Everything sets itself up: `make demo` and `make test` need python3 (3.11 or newer) and make, no more.
# One virtual environment, made anew only when the Python, pyproject.toml or requirements.lock changes.
#
# It holds the versions of requirements.lock: the whole set that the tests passed with, by hash, so that a release
# of somebody else changes nothing here. `make update` takes the newest versions and runs the tests with them.

PYTHON ?= python3
VENV ?= .venv
KEY := $(shell $(PYTHON) -c "import hashlib, os, sys; print(hashlib.sha256(open('pyproject.toml', 'rb').read() + open('requirements.lock', 'rb').read() + (os.getcwd() + sys.version).encode()).hexdigest()[:12])")
READY := $(VENV)/.ready-$(KEY)
BIN := $(VENV)/bin

.PHONY: demo docs test lint format install lock update clean

demo: $(READY)
	$(BIN)/fame demo -o demo

test: $(READY)
	$(BIN)/python -m pytest -n auto

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The variable leaves out a notice of the theme's authors about what comes after MkDocs 1.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Open site/index.html"

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(READY)

# After a change of pyproject.toml: what is locked stays, as far as the new bounds allow.
# UPGRADE is for `make update`.
lock: $(READY)
	$(BIN)/uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command 'make update' --extra dev --output-file requirements.lock pyproject.toml

update:
	$(MAKE) lock UPGRADE=--upgrade
	$(MAKE) test

# Its name tells what it holds, so it depends on no file's age.
# The package itself goes in last and alone: nothing that is not locked may come along with it, not even to build it.
$(READY):
	@$(PYTHON) -c "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 'fame needs Python 3.11 or newer, this is ' + sys.version.split()[0] + '; name another: make PYTHON=python3.12')"
	$(PYTHON) -m venv $(if $(wildcard $(VENV)/pyvenv.cfg),--clear) $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf .venv demo site build *.egg-info .pytest_cache .mypy_cache .ruff_cache
