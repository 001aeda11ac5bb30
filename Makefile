# Everything a developer runs. On Windows the same commands stand in CONTRIBUTING.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NODE_READY := editors/vscode/node_modules/.package-lock.json

.PHONY: demo test lint check bench soak editors vsix clean

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Flux needs Python 3.11 or newer; try make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

demo: $(READY)  ## The main job, with no key and no network
	$(BIN)/python -m tests.support.demo

test: $(READY)  ## Everything that needs Python alone
	$(BIN)/python -m pytest -n auto

lint: $(READY)  ## Style and types
	$(BIN)/ruff format --check flux tests
	$(BIN)/ruff check flux tests
	$(BIN)/pyright flux

check: lint test  ## What must be green before a commit

bench: $(READY)  ## The table of figures, and build/bench.json; with npm, tokens are counted by a real tokenizer
	-command -v npm >/dev/null && bash tests/wire/install_tokenizer.sh
	$(BIN)/python -m tests.benchmarks

soak: $(READY)  ## Every long measurement at its full size, and docs/reliability.md; a line for each
	$(BIN)/python -m tests.soak.codec --record
	$(BIN)/python -m tests.soak.faults --record
	$(BIN)/python -m tests.soak.kills --record
	$(BIN)/python -m tests.soak.kills_undo --record
	$(BIN)/python -m tests.soak.pressure --record
	$(BIN)/python -m tests.soak.machine --record
	$(BIN)/python -m tests.soak.chaos --record
	$(BIN)/python -m tests.soak.load --record
	$(BIN)/python -m tests.soak.report

editors: $(READY)  ## The tests in real editors and against other people's servers; installs those into .tools
	bash tests/editors/install.sh
	FLUX_REQUIRE_EDITORS=1 $(BIN)/python -m pytest -m editor -n 2 --dist loadfile

vsix: $(NODE_READY)  ## editors/vscode/flux.vsix
	cd editors/vscode && npm run package

$(NODE_READY): editors/vscode/package-lock.json
	cd editors/vscode && npm ci --no-fund --no-audit
	touch $@

clean:
	rm -rf $(VENV) .tools build editors/vscode/node_modules editors/vscode/dist editors/vscode/flux.vsix
