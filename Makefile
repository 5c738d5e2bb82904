# `make run` shows the product, `make test` checks it; each first installs what it needs into .venv.
PYTHON ?= python3
PYTEST_WORKERS ?= 2

BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: help run test bench setup constraints clean

help:
	@echo "make run          set up, then serve the demo"
	@echo "make test         set up, then lint, types, imports and tests"
	@echo "make bench        set up, then measure what the server promises beside its peers"
	@echo "make setup        create .venv and install everything as pinned in constraints.txt"
	@echo "make constraints  write the versions now in .venv to constraints.txt"
	@echo "make clean        remove .venv and caches"

run: setup
	$(BIN)/bandstand demo

test: setup
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n $(PYTEST_WORKERS)

bench: setup
	$(BIN)/python -m benchmarks

setup: $(STAMP)

# Bytecode is compiled at installation: without it the first start takes seconds longer.
$(STAMP): pyproject.toml constraints.txt $(wildcard src/bandstand/_native*.[ch])
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Bandstand needs Python 3.11 or newer; '$(PYTHON)' is missing or older. Try: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/pip install --quiet --compile --disable-pip-version-check \
	  -c constraints.txt -e '.[dev,pg]'
	@touch $@

constraints: setup
	{ sed '/^#/!d' constraints.txt; $(BIN)/pip freeze --exclude bandstand | LC_ALL=C sort -f; } > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist src/bandstand/*.so
