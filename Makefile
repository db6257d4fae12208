# Two commands: `make demo` and `make test`. Both set up everything they need in .venv.

PYTHON ?= python3
BIN := .venv/bin
# JupyterLab refuses to run as root unless it is told that this is meant, as it is in containers.
LAB_FLAGS ?= $(shell [ "$$(id -u)" = 0 ] && echo --allow-root)

.PHONY: demo test check lint types unit notebooks pictures browser specifications bench clean

# On a copy of the lessons, for JupyterLab saves what is run. The reader's own settings of JupyterLab hold, and are not
# written to: demo/labconfig only has other defaults, so that no question about news covers the page.
demo: export JUPYTER_CONFIG_PATH := $(CURDIR)/demo$(if $(JUPYTER_CONFIG_PATH),:$(JUPYTER_CONFIG_PATH))
demo: .venv/demo.done
	$(BIN)/python -m llmvision_magic model
	$(BIN)/python demo/copies.py notebooks my-notebooks
	$(BIN)/jupyter lab $(LAB_FLAGS) --ServerApp.root_dir=my-notebooks --LabApp.default_url=/lab/tree/quickstart.ipynb

test: .venv/test.done browser specifications
	$(BIN)/python -m llmvision_magic model
	$(MAKE) lint types unit notebooks

# While one works: everything that needs neither a browser nor the embedded model.
check: .venv/test.done lint types
	$(BIN)/python -m pytest -m "not browser and not model" -q

lint: .venv/test.done
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/test.done
	$(BIN)/mypy

unit: .venv/test.done
	$(BIN)/python -m pytest

# Each lesson from its recording, all outputs compared; and then with the embedded model, whose words are not compared.
NBVAL := env -u LLMVISION_API_KEY -u LLMVISION_BASE_URL -u LLMVISION_REPLAY -u LLMVISION_RECORD LLMVISION_JOURNAL=off
notebooks: .venv/test.done
	$(NBVAL) $(BIN)/python -m pytest --nbval -o addopts= notebooks
	$(NBVAL) LLMVISION_REPLAY=off $(BIN)/python -m pytest --nbval-lax -o addopts= notebooks

# The pictures of the README, from the lessons as they are.
pictures: .venv/test.done browser
	$(BIN)/python tests/pictures.py

browser: .venv/test.done
	$(BIN)/python tests/browser_setup.py

specifications: .venv/test.done
	$(BIN)/python tests/specifications.py

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

clean:
	rm -rf .venv .venv-bench-*
