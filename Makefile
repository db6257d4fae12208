# Two commands: `make demo` and `make test`. Both set up everything they need in .venv.

PYTHON ?= python3
BIN := .venv/bin
# JupyterLab refuses to run as root unless it is told that this is meant, as it is in containers.
LAB_FLAGS ?= $(shell [ "$$(id -u)" = 0 ] && echo --allow-root)

# Two files of tests at a time: mostly one waits for a kernel or a browser. No test is about how long something takes.
TWO := --numprocesses 2 --dist loadfile

# Folders of tests, for `make check ROOM=journal`.
ROOMS := $(sort $(patsubst tests/%/,%,$(dir $(wildcard tests/*/test_*.py))))

.PHONY: demo test check lowest room lint types unit notebooks pictures browser specifications bench clean

# On a copy of the lessons, for JupyterLab saves what is run. The reader's own settings of JupyterLab hold, and are not
# written to: .demo/labconfig only has other defaults, so that no question about news covers the page.
demo: export JUPYTER_CONFIG_PATH := $(CURDIR)/.demo$(if $(JUPYTER_CONFIG_PATH),:$(JUPYTER_CONFIG_PATH))
demo: .venv/demo.done
	$(BIN)/python -m llmvision_magic model
	$(BIN)/python .demo/copies.py notebooks my-notebooks
	$(BIN)/jupyter lab $(LAB_FLAGS) --ServerApp.root_dir=my-notebooks --LabApp.default_url=/lab/tree/quickstart.ipynb

test: .venv/test.done browser specifications
	$(BIN)/python -m llmvision_magic model
	$(MAKE) lint types unit notebooks

# While one works: everything that needs neither a browser nor the embedded model, of one room with ROOM=journal.
check: room .venv/test.done lint types
	$(BIN)/python -m pytest -m "not browser and not model" -q $(addprefix tests/,$(ROOM))

# First of all, so that a mistyped name is not told after minutes.
room:
	@: $(if $(filter-out $(ROOMS),$(ROOM)),$(error ROOM="$(ROOM)" is no folder of tests; one of these was expected: $(ROOMS)))

# The tests of `make check` with the oldest versions that pyproject.toml allows. Linter and type checker run once, in .venv.
# Two at a time, for CI runs this after all the others; what measures time cannot bear that, and is about our own code.
lowest: .venv-lowest/test.done
	.venv-lowest/bin/python -m pytest -m "not browser and not model" -q $(TWO)

lint: .venv/test.done
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	PYTHONPATH=tests/support $(BIN)/lint-imports

types: .venv/test.done
	$(BIN)/mypy

unit: .venv/test.done
	$(BIN)/python -m pytest $(TWO)

# Each lesson from its recording, all outputs compared; and then with the embedded model, whose words are not compared.
NBVAL := env -u LLMVISION_API_KEY -u LLMVISION_BASE_URL -u LLMVISION_REPLAY -u LLMVISION_RECORD LLMVISION_JOURNAL=off
notebooks: .venv/test.done
	$(NBVAL) $(BIN)/python -m pytest --nbval -o addopts= notebooks
	$(NBVAL) LLMVISION_REPLAY=off $(BIN)/python -m pytest --nbval-lax -o addopts= notebooks

# The pictures of the README, from the lessons as they are.
pictures: .venv/test.done browser
	PYTHONPATH=tests $(BIN)/python -m support.pictures

browser: .venv/test.done
	$(BIN)/python tests/support/browser_setup.py

specifications: .venv/test.done
	$(BIN)/python tests/support/specifications.py

# Numbers of replies that stream into a notebook, about ten minutes; for a first look: make bench BENCH=--quick
bench: .venv/test.done browser
	$(BIN)/python tests/benchmarks/run.py $(BENCH)

.venv/python.done:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@touch $@

.venv/demo.done: .venv/python.done pyproject.toml
	$(BIN)/python -m pip install --quiet --editable . --group demo
	@touch $@

.venv/test.done: .venv/python.done pyproject.toml
	$(BIN)/python -m pip install --quiet --editable . --group test --group lint
	@touch $@

# The lowest of what pyproject.toml names, the newest of what that needs in turn (lowest-direct): the bounds here are promises
# about the former; how old the latter may be is said by those who need it, and is often untrue. Wheels alone: what only
# builds from source is no version that a user would get. uv reads no configuration of pip, so pip is asked for its index;
# with none, the empty value leaves uv its own.
.venv-lowest/test.done: .venv/python.done pyproject.toml
	$(BIN)/python -m venv --clear .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet "uv>=0.13,<1"
	UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(BIN)/pip config get global.index-url 2>/dev/null)}}" \
		.venv-lowest/bin/uv pip install --quiet --system-certs --python .venv-lowest/bin/python \
		--resolution lowest-direct --only-binary :all: --no-binary llmvision-magic \
		--editable ".[images,side]" --group test
	ln -s ../.venv/specifications .venv-lowest/specifications
	@touch $@

clean:
	rm -rf .venv .venv-lowest .venv-bench-*
