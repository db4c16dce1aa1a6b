# Every chore is a target; each sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# The lowest versions have wheels for the lowest Python alone.
LOWEST_PYTHON ?= $(firstword $(shell which python3.11 2>/dev/null) $(PYTHON))
LOWEST := .venv-lowest
comma := ,
# What users can ask for.
RUNTIME := cli,server,stores,parquet,probe,otel,postgres,testing

# Ray alone is larger than all else, and only these tests need it.
CLUSTER := .venv-cluster

.PHONY: help demo demo-cluster test test-long test-cluster lint format types bench docs lowest matrix audit release clean

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

test: $(VENV)/.installed-test ## run the tests but the long ones, report the coverage
	@$(BIN)/python -m pytest -n auto --dist worksteal -m "not long" --cov --cov-report=term

test-long: $(VENV)/.installed-test ## run the long tests: real processes, memory, speech, crashes
	@$(BIN)/python -m pytest -n auto --dist worksteal -m long

test-cluster: ## run the tests on a Ray cluster of two nodes, in a venv of 1 GB of their own
	@$(MAKE) --no-print-directory VENV=$(CLUSTER) $(CLUSTER)/.installed-test,ray
	@$(CLUSTER)/bin/python -m pytest tests/batch/ray

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

# Only what pyproject.toml names is held down; what that needs, and the tools of the tests, are the newest that go with it.
$(LOWEST)/.installed: pyproject.toml
	@test -x $(LOWEST)/bin/python || $(LOWEST_PYTHON) -m venv $(LOWEST)
	@echo "setting up $(LOWEST)"
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade uv
	@$(LOWEST)/bin/uv pip compile --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --no-deps \
		--no-header --no-annotate $(patsubst %,--extra %,$(subst $(comma), ,$(RUNTIME))) pyproject.toml > $(LOWEST)/lowest.txt
	@$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --constraints $(LOWEST)/lowest.txt \
		--editable '.[test,$(RUNTIME)]'
	@touch $@

# Deprecations in old versions are shown, but are no faults; the bound of memory is for the newest versions: with old ones
# the client takes 2 to 4 MiB more.
lowest: $(LOWEST)/.installed ## run the tests with the lowest versions that pyproject.toml allows
	@cat $(LOWEST)/lowest.txt
	@$(LOWEST)/bin/python -m pytest -n auto --dist worksteal -W default::DeprecationWarning \
		--deselect tests/acceptance/test_memory.py::test_a_2_gib_upload_stays_below_64_mib

matrix: ## run the tests on every Python from 3.11 to 3.14 that is here; PYTHONS="3.12 3.13" chooses
	@MAKE="$(MAKE)" .ci/matrix

audit: ## look for known vulnerabilities in what users install
	@PYTHON="$(PYTHON)" EXTRAS="$(RUNTIME)" .ci/audit

release: ## build sdist and wheel into dist/; nothing is uploaded
	@PYTHON="$(PYTHON)" .ci/release

clean: ## remove what the targets made
	rm -rf $(VENV) .venv-* dist demo-output site .cache .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis
