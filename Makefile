# Everything sets itself up: `make demo` and `make test` need python3 (3.11 or newer) and make, no more.
# One virtual environment, made anew only when pyproject.toml changes.

PYTHON ?= python3
VENV ?= .venv
KEY := $(shell $(PYTHON) -c "import hashlib, os; print(hashlib.sha256(open('pyproject.toml', 'rb').read() + os.getcwd().encode()).hexdigest()[:12])")
READY := $(VENV)/.ready-$(KEY)
BIN := $(VENV)/bin

.PHONY: demo test lint format install clean

demo: $(READY)
	$(BIN)/fame demo -o demo

test: $(READY)
	$(BIN)/python -m pytest -n auto

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(READY)

$(READY): pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 'fame needs Python 3.11 or newer, this is ' + sys.version.split()[0] + '; name another: make PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@rm -f $(VENV)/.ready-*
	@touch $@

clean:
	rm -rf .venv demo build *.egg-info .pytest_cache .mypy_cache .ruff_cache
