# Everything here works on a fresh machine that has Python 3.11 or newer and make. PYTHON picks the interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check
LAW_EXAMPLES ?= 1000
# The longest first, so that none of them is left to run alone when the others are done.
LONG_LAWS = $(patsubst %,tests/laws/test_%.py,streams answers trips)
LAWS = $(LONG_LAWS) $(filter-out $(LONG_LAWS),$(sort $(wildcard tests/laws/test_*.py)))

ASYNC_RULES = ASYNC1,ASYNC20,ASYNC21,ASYNC22,ASYNC23,ASYNC24,ASYNC25,ASYNC400,ASYNC401,ASYNC900,ASYNC912,ASYNC913
# 114 and 128: our startables hand their task_status on. 124: Quart wants its views async.
# 127 would have httpx2: the seam is one package, and moves there when its own transport is worth the change.
ASYNC_LEFT_OUT = ASYNC114,ASYNC124,ASYNC127,ASYNC128

SOAK_SECONDS ?= 600

.PHONY: demo test lint laws bench bench-quick soak lock clean $(LAWS)

demo: $(VENV)/.run
	$(BIN)/trio-gateway demo $(DEMO)

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(TESTS)

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@echo flake8-async
	@$(BIN)/flake8-async --enable=$(ASYNC_RULES) --disable=$(ASYNC_LEFT_OUT) $(shell git ls-files "trio_gateway/*.py")
	$(BIN)/mypy

# The laws of translation with many examples each; `make test` runs them with few. One target a file: `make -j4 laws` runs
# four side by side, and all of them run even if one fails.
laws: $(VENV)/.dev
	@+$(MAKE) --no-print-directory --keep-going $(LAWS)

$(LAWS): $(VENV)/.dev
	LAW_EXAMPLES=$(LAW_EXAMPLES) $(BIN)/python -m pytest $@

# The gateway against the simulator; `make bench PEERS=--peers` measures other gateways beside it.
bench: $(VENV)/.dev
	$(BIN)/python benchmarks/run.py $(PEERS)

bench-quick: $(VENV)/.dev
	$(BIN)/python benchmarks/run.py --quick $(PEERS)

# Everything at once for ten minutes, then nothing may be left, lost or grown; SOAK_SECONDS=120 makes it two.
soak: $(VENV)/.dev
	$(BIN)/python benchmarks/soak.py --seconds $(SOAK_SECONDS)

# Pin what pyproject.toml asks for, for every Python and platform we support.
lock: $(VENV)/.dev
	$(PIP) install uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header -q --upgrade \
		pyproject.toml --group build -o requirements/run.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header -q --upgrade \
		-c requirements/run.txt pyproject.toml --group build --group test --group lint --group bench -o requirements/dev.txt

# What the gateway needs, and what building it needs; every download is checked against its hash.
$(VENV)/.run: requirements/run.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements/run.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	$(PIP) install --require-hashes -r requirements/dev.txt
	touch $@

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
