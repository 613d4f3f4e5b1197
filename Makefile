# make demo | test | check | site | bench | install | clean.  Python 3.11+ and pip are all it needs.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Where the app of the demo listens: make demo PORT=8600.
PORT   = 8501
AXE    = axe-core-4.14.1
# Extra words for pytest: make test ARGS="tests/core -k tokenizer".
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test check format bench docs site wheel pictures tour axe clean

help:
	@echo "make demo      install, paint a sample collection, index it, search it, open the app (PORT=8600: on that port)"
	@echo "make test      install with the test extra and run the whole test suite"
	@echo "make check     lint, formatting and types"
	@echo "make docs      write real outputs, images and the file tree into README.md and docs/"
	@echo "make site      build the documentation site into site/, strictly"
	@echo "make wheel     build the wheel, install it into an empty environment, run the demo there"
	@echo "make pictures  screenshots of every screen of the app, into docs/"
	@echo "make tour      a minute of the app as an animated image, docs/tour.webp"
	@echo "make bench     measurements with their targets; results in benchmarks/results/"
	@echo "make install   only create $(VENV) and install; the command is then $(BIN)/clipdex"
	@echo "make clean     remove $(VENV) and the caches of the tools"

# A stamp per set of packages: nothing is installed twice until pyproject.toml or constraints.txt change.
install: $(VENV)/.installed

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "clipdex needs Python 3.11 or newer, and %s is %d.%d: run make PYTHON=/path/to/python3.11" % (sys.executable, v[0], v[1]))'
	$(PYTHON) -m venv $(VENV)

# torch alone and by its exact version first: pip then takes the build that the machine or its index offers for that
# version (a CPU build where one is configured), and nothing that comes later asks for another.
$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch==$$(sed -n 's/^torch==//p' constraints.txt)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --config-settings editable_mode=compat -e ".[faiss-cpu]"
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --config-settings editable_mode=compat -e ".[test]"
	@touch $@

# What finds barriers in the app's pages, for tests/app/web/test_access.py alone: a package of npm's, never a part of clipdex.
axe: $(VENV)/$(AXE)/package/axe.min.js
$(VENV)/$(AXE)/package/axe.min.js: | $(BIN)/python
	@mkdir -p $(VENV)/$(AXE)
	@cd $(VENV)/$(AXE) && { npm pack --silent $(subst core-,core@,$(AXE)) >/dev/null && tar -xzf $(AXE).tgz; } \
	    || echo "npm could not fetch $(AXE): the tests that need it will skip"

demo: install
	$(BIN)/clipdex demo --port $(PORT)

test: $(VENV)/.installed-test axe
	$(BIN)/python -m pytest -n 2 --dist loadgroup --durations=10 $(ARGS)

check: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The outputs and images of README.md and docs/start.md and the tree in docs/files.md, as they are now.  Read the difference before committing it.
docs: $(VENV)/.installed-test
	$(BIN)/python -m tests.tree
	$(BIN)/python -m tests.readme_session
	$(BIN)/python -m tests.pictures

site: $(VENV)/.installed-test
	$(BIN)/mkdocs build --strict --quiet --site-dir site

# What a user gets: the wheel alone, in an environment that holds only what it asks for.
wheel: $(VENV)/.installed-test
	$(BIN)/python -m tests.wheel

# The app's screens as docs/app-*.webp, and a minute of its use as docs/tour.webp, in headless Chromium.
pictures: $(VENV)/.installed-test
	$(BIN)/python -m tests.pictures

tour: $(VENV)/.installed-test
	$(BIN)/python -m tests.tour

bench: $(VENV)/.installed-test
	@for file in $$(grep -l __main__ benchmarks/*.py); do \
	    echo "== $$file"; $(BIN)/python -m "benchmarks.$$(basename "$$file" .py)" || exit 1; \
	done

clean:
	rm -rf $(VENV) build site .mypy_cache .pytest_cache .ruff_cache
