# make demo, make test, make test-long, make lint: each prepares what it needs, once.
#   PYTHON=python3.13   another interpreter to build the environment with
#   VENV=folder         another place for it
PYTHON ?= python3
VENV ?= .venv
BROWSERS := chromium chromium-browser google-chrome google-chrome-stable

BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev

.PHONY: help demo test test-long lint bench screenshots browser clean
.DELETE_ON_ERROR:

help:
	@echo "make demo   open the demo; prints its address"
	@echo "make test   run all tests but the long ones"
	@echo "make test-long  run the long ones, and print the figures of docs/reliability.md"
	@echo "make lint   check style, types and what imports what"
	@echo "make bench  measure the speed, against what else could be used"
	@echo "make screenshots   take the pictures of the page for README and docs"
	@echo "make clean  remove the environment and the caches of the tools"

demo: $(READY)
	$(BIN)/python app.py

test: $(READY_DEV) browser
	$(BIN)/python -m pytest

test-long: $(READY_DEV) browser
	$(BIN)/python -m pytest -m long

lint: $(READY_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY_DEV)
	@for name in grade engine photograph prepare triage page growth training; do $(BIN)/python -m benchmarks $$name || exit 1; done

screenshots: $(READY_DEV) browser
	$(BIN)/python -m scripts.screenshots

clean:
	rm -rf "$(VENV)" .mypy_cache .ruff_cache .pytest_cache

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another: make PYTHON=python3.13 ..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv "$(VENV)"
	@touch $@

$(READY): $(VENV)/.created requirements.txt pyproject.toml
	$(BIN)/python -m pip install -r requirements.txt -e .
	@touch $@

$(READY_DEV): $(READY) requirements-dev.txt
	$(BIN)/python -m pip install -r requirements-dev.txt
	@touch $@

# The browser tests take a Chromium on the PATH, else Playwright's. Where neither can be had the
# other tests still run, and these fail with a line that says how to get one.
browser: $(READY_DEV)
	@$(foreach name,$(BROWSERS),command -v $(name) >/dev/null ||) \
		$(BIN)/python -m playwright install chromium || \
		echo "No browser could be installed: the browser tests will fail and say how to get one." >&2
