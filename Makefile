# Every chore is a target; each sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo demo-cluster test lint format types bench docs clean

help: ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

# A stamp for each set of extras, renewed when pyproject.toml changes.
$(VENV)/.installed-%: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV) ($*)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

demo: $(VENV)/.installed-local ## transcribe examples/audio on the embedded server; files go to demo-output/
	@rm -rf demo-output
	@$(BIN)/asyncscribe batch examples/audio --local --output demo-output --format json --format srt --print

demo-cluster: $(VENV)/.installed-test ## three workers share a batch; one is killed, one stands still, nothing is paid twice
	@PYTHONPATH=. $(BIN)/python examples/cluster/demo.py

test: $(VENV)/.installed-test ## run the tests, report the coverage
	@$(BIN)/python -m pytest -n auto --dist worksteal -m "not long" --cov --cov-report=term
	@$(BIN)/python -m pytest -n auto --dist worksteal -m long

lint: $(VENV)/.installed-dev ## style, format and layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache

format: $(VENV)/.installed-dev ## make the style right where that can be done
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(VENV)/.installed-dev ## strict types, of what users write too (mypy and pyright)
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/typing
	@$(BIN)/mypy examples/*.py examples/*/*.py

bench: $(VENV)/.installed-bench ## measure; see benchmarks/README.md
	@$(BIN)/python -m benchmarks

docs: $(VENV)/.installed-docs ## build the documentation into site/; broken links and undocumented names fail
	@$(BIN)/python docs/make_cli.py
	@rm -rf site
	@$(BIN)/zensical build --strict --clean
	@$(BIN)/python docs/check_site.py site

clean: ## remove what the targets made
	rm -rf $(VENV) demo-output site .cache .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis
