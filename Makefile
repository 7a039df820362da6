# Community Questions: every task of daily work. `make help` lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The first Python 3.13 that really runs: on the PATH (a pyenv shim may be there and refuse), or under pyenv.
PYTHON := $(shell for candidate in $(PYTHON313) python3.13 $(wildcard $(HOME)/.pyenv/versions/3.13*/bin/python3.13) python3; do \
	"$$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && { echo "$$candidate"; break; }; done)

VENV := .venv
BIN := $(VENV)/bin
PACKAGES := lib lifecycle questions_api notify local migrations bench infra tests
UI_SOURCES := $(shell find ui/src ui/build ui/public -type f 2>/dev/null) ui/package-lock.json ui/vite.config.mts
BUILT := ui/dist/.vite/manifest.json

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

.PHONY: run
run: $(VENV)/.ready $(BUILT) ## Start everything on this machine, with people and questions to try
	@$(BIN)/python -m local

.PHONY: run-empty
run-empty: $(VENV)/.ready $(BUILT) ## Start everything without questions
	@$(BIN)/python -m local --empty --data .local-empty

.PHONY: test
test: $(VENV)/.ready $(BUILT) needs ## Run every test: Python, front end, browser
	@cd ui && npm run --silent test
	@$(BIN)/python -m pytest -q

.PHONY: check
check: $(VENV)/.ready $(BUILT) ## Lint, types, layers, bundle budget: what must hold before a commit
	@echo "• ruff" && $(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .
	@echo "• mypy" && $(BIN)/mypy --no-error-summary $(PACKAGES) function_app.py docs/api_page.py
	@echo "• import layers" && $(BIN)/lint-imports >/dev/null || { $(BIN)/lint-imports; exit 1; }
	@echo "• front end" && cd ui && npm run --silent check

.PHONY: e2e
e2e: $(VENV)/.ready $(BUILT) needs ## Play the story in a browser
	@$(BIN)/python -m pytest -q -m e2e tests/e2e

.PHONY: pictures
pictures: e2e ## Take the README's pictures anew
	@for name in ask question chat admin list-light-1280 list-dark-400 question-dark-1280; do cp build/pictures/$$name.png docs/pictures/; done

.PHONY: faults
faults: $(VENV)/.ready ## Kill processes in the middle of work, 200 rounds
	@CQ_FAULT_ROUNDS=200 $(BIN)/python -m pytest -q -m faults tests/faults

.PHONY: bench
bench: $(VENV)/.ready $(BUILT) ## Measure; prints tables, changes nothing
	@$(BIN)/python -m bench

.PHONY: fmt
fmt: $(VENV)/.ready ## Format and fix what a tool can fix
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format --quiet .

.PHONY: migrate
migrate: $(VENV)/.ready ## Bring DATABASE_URL (or the local database) to the newest schema
	@mkdir -p .local && DATABASE_URL=$${DATABASE_URL:-sqlite:///.local/app.db} $(BIN)/python -m alembic upgrade head

.PHONY: openapi
openapi: $(VENV)/.ready ## Write docs/openapi.json, docs/api.md and the front end's types from the code
	@$(BIN)/python -c 'import function_app, lib.openapi; print(lib.openapi.text(function_app.API), end="")' > docs/openapi.json
	@$(BIN)/python docs/api_page.py < docs/openapi.json > docs/api.md
	@cd ui && npm run --silent schema

.PHONY: package
package: $(VENV)/.ready $(BUILT) ## Build build/app.zip, what is deployed
	@$(BIN)/python -m infra.package

.PHONY: keys
keys: $(VENV)/.ready ## Print a fresh ENCRYPTION_KEYS value
	@$(BIN)/python -c 'import base64, secrets; print("v1:" + base64.b64encode(secrets.token_bytes(32)).decode())'

.PHONY: lock
lock: $(VENV)/.ready ## Resolve the requirements anew, with hashes and without addresses
	@for set in requirements requirements-dev; do $(BIN)/uv pip compile --quiet --universal --upgrade --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --python-version 3.13 $$set.in -o $$set.txt; done

.PHONY: needs
needs: ## Say what needs root and is missing
	@[ -x "$$(command -v chromium)" ] || echo "Browser tests will be skipped: install chromium (apt-get install chromium)."
	@ldconfig -p 2>/dev/null | grep -q libodbc.so.2 || echo "SQL Server driver tests will be skipped: install unixodbc (apt-get install unixodbc)."

.PHONY: clean
clean: ## Remove what was built and installed; data in .local stays
	@rm -rf $(VENV) build ui/node_modules ui/dist

$(VENV)/.ready: requirements.txt requirements-dev.txt
	@[ -n "$(PYTHON)" ] || { echo "Python 3.13 is needed and was not found on the PATH or under ~/.pyenv. Install it, or name it: make PYTHON313=/path/to/python3.13"; exit 1; }
	@echo "Installing Python packages (about half a minute the first time) …"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@[ -x $(BIN)/uv ] || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r <(awk '/^uv==/,/[^\\]$$/' requirements-dev.txt)
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements.txt -r requirements-dev.txt
	@touch $@

ui/node_modules/.ready: ui/package.json ui/package-lock.json
	@command -v node >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)' || { echo "Node 20 or newer is needed to build the front end."; exit 1; }
	@echo "Installing front-end packages (about half a minute the first time) …"
	@cd ui && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(BUILT): ui/node_modules/.ready $(UI_SOURCES)
	@echo "Building the front end …"
	@cd ui && npm run --silent build >/dev/null
	@touch $@
