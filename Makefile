# `make help` lists the targets. Each can be repeated: what is done is not done again.
PYTHON ?= python3
BIN := .venv/bin
NOTEBOOKS := $(sort $(wildcard notebooks/[0-9]*.ipynb))
EXECUTED := $(NOTEBOOKS:notebooks/%=build/notebooks/%)
HELPERS := $(wildcard helpers/*.py)
NBVAL := --nbval --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg
EXECUTE := jupyter nbconvert --to notebook --execute --log-level WARN --ExecutePreprocessor.store_widget_state=False --ExecutePreprocessor.record_timing=False
TIDY := jupyter nbconvert --to notebook --log-level ERROR --inplace --coalesce-streams  # one line for each progress bar
export PYTHONUTF8 := 1
SHELL := bash
QUIET := 2> >(grep -v 'Kernel is running over TCP' >&2)  # ipykernel's warning about its own default

.PHONY: help setup run test lint unit browser nbval lab studio notebooks test-colab test-ranges bench clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: .venv/.ready ## make the virtual environment .venv and install everything into it

.venv/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "Python 3.11, 3.12 or 3.13 is needed; name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

run: site/index.html ## execute every notebook and make pages with notation and sound in site/
	@echo "Open site/index.html in a browser."

build/notebooks/%.ipynb: notebooks/%.ipynb $(HELPERS) | .venv/.ready
	@mkdir -p build/notebooks
	@echo "Executing $< ..."
	@$(BIN)/$(EXECUTE) --output-dir build/notebooks --output .$*.part.ipynb $< $(QUIET)
	@$(BIN)/$(TIDY) build/notebooks/.$*.part.ipynb
	@mv build/notebooks/.$*.part.ipynb $@

site/index.html: $(EXECUTED) $(wildcard pages/* notebooks/solutions/*.ipynb) README.md | .venv/.ready
	@$(BIN)/python pages/make_site.py build/notebooks site

test: lint unit browser nbval ## check style, run the tests of helpers and notebooks, and every notebook itself

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

unit: .venv/.ready
	$(BIN)/python -m pytest -q tests --ignore tests/browser

browser: .venv/.ready ## drive the controls in JupyterLab and Voilà with headless Chromium (skipped where there is none)
	$(BIN)/python -m pytest -q -rs tests/browser

nbval: .venv/.ready
	$(BIN)/python -m pytest -q $(NBVAL) notebooks

lab: .venv/.ready ## open JupyterLab on the notebooks
	$(BIN)/jupyter lab --notebook-dir notebooks

studio: .venv/.ready ## open the Composer alone, a page without code, on this machine only
	$(BIN)/voila notebooks/studio.ipynb --Voila.ip=127.0.0.1

notebooks: .venv/.ready ## execute every notebook in place, as it is committed
	@for notebook in $(NOTEBOOKS) notebooks/studio.ipynb $(wildcard notebooks/solutions/*.ipynb); do \
	  echo "Executing $$notebook ..."; SECONDS=0; $(BIN)/$(EXECUTE) --inplace $$notebook $(QUIET) || exit 1; \
	  case $$notebook in notebooks/[0-9]*) $(BIN)/python pages/results.py $$(basename $$notebook .ipynb) $$SECONDS;; esac; \
	  $(BIN)/$(TIDY) $$notebook || exit 1; done
	@$(BIN)/python pages/results.py  # into README.md

test-colab: .venv/.ready ## run every notebook with Colab's versions, each in an empty folder
	$(BIN)/python tests/colab/run.py

test-ranges: .venv/.ready ## run the tests with the lowest and with the newest versions of the dependencies
	$(BIN)/python tests/ranges.py

bench: .venv/.ready ## measure the speed claims, each as a ratio within one run
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean: ## remove what make made, except the environment and the song cache
	rm -rf build site
