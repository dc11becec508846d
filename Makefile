# `make help` lists the targets. Each can be repeated: what is done is not done again.
PYTHON ?= python3
BIN := .venv/bin
SHELL := bash
export PYTHONUTF8 := 1
# set in many containers; then every process compiles anew what it imports, torch in 5 s instead of 2
unexport PYTHONDONTWRITEBYTECODE
ifneq ($(shell [ -n "$$HOME" ] && [ -w "$$HOME" ] && echo yes),yes)
  $(shell mkdir -p build/home 2>/dev/null)
  export HOME := $(CURDIR)/build/home
endif
NBVAL := --nbval --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg --nbval-kernel-startup-timeout 600
WORKERS := -n auto --dist loadscope --no-loadscope-reorder  # a file of tests, or a notebook, at a time on each core

.PHONY: help room setup run test check lint lint-js unit browser nbval lab studio yours notebooks test-colab test-ranges test-load fuzz kill mutate mutate-cells mutate-equations same studio-load bench benchmark clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

setup: .venv/.ready ## make the virtual environment .venv and install everything into it

define ROOM
@[ -w . ] || { echo "This folder can only be read. Clone the project into a folder that you can write to."; exit 1; }
@free=$$(df -Pk . | awk 'NR == 2 { print int($$4 / 1024) }'); need=$$([ -e .venv/.ready ] && echo 300 || echo 3000); \
	  [ "$$free" -ge "$$need" ] || { echo "The disk is full: $$free MB are free here, and $$need MB are needed. Free some space," \
	  "and type the command again: it goes on from here."; exit 1; }
endef

room:
	$(ROOM)

.venv/.ready: pyproject.toml constraints.txt
	$(ROOM)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "Python 3.11, 3.12 or 3.13 is needed; name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "Setting up: everything goes into the folder .venv (2 GB, about a minute)."
	@$(PYTHON) -m venv .venv || { echo "On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[dev]' \
	  || { echo "The set-up is not complete; pip says why above. The same command tries again."; exit 1; }
	@touch $@

run: room .venv/.ready ## pages with notation and sound in site/, then every notebook runs; ONLY=03-lstm runs one
	@$(BIN)/python pages/run.py $(ONLY)

test: room lint ## check style, run the tests of helpers and notebooks, and every notebook itself
	$(BIN)/python -m pytest -q -rs $(WORKERS) $(NBVAL) tests notebooks

check: lint lint-js .venv/.ready ## check style and run the tests of helpers, without notebooks and browser: for every save
	$(BIN)/python -m pytest -q $(WORKERS) -m "not slow" --ignore tests/browser tests

lint: .venv/.ready
	$(BIN)/python -m ruff check --quiet .
	$(BIN)/python -m ruff format --check --quiet .

BIOME := npx --yes --prefer-offline @biomejs/biome@2.6.8
lint-js: ## check the style of JavaScript and CSS, where node is installed
	@if ! $(BIOME) --version >/dev/null 2>&1; then echo "Without node (or a network) JavaScript and CSS are not checked."; \
	  else $(BIOME) check --error-on-warnings --log-level=warn helpers; fi

unit: .venv/.ready
	$(BIN)/python -m pytest -q $(WORKERS) --ignore tests/browser tests

browser: .venv/.ready ## drive the controls in JupyterLab and Voilà with headless Chromium (skipped where there is none)
	$(BIN)/python -m pytest -q -rs tests/browser

nbval: .venv/.ready ## run every notebook and compare its outputs; ONLY=notebooks/03-lstm.ipynb does one
	$(BIN)/python -m pytest -q $(WORKERS) $(NBVAL) $(or $(ONLY),notebooks)

lab: .venv/.ready ## open JupyterLab on the notebooks
	$(BIN)/python -m jupyter lab --notebook-dir notebooks --ServerApp.ip=127.0.0.1

# its address holds a token; a page that opens among many waits for its kernel (voila gives up after a minute, and its
# page would turn for ever); the kernel of a page that nobody has touched for an hour ends
STUDIO := -m voila notebooks/studio.ipynb --Voila.ip=127.0.0.1 --token --VoilaExecutor.startup_timeout=600 \
  --MappingKernelManager.cull_idle_timeout=3600 --MappingKernelManager.cull_interval=60 --MappingKernelManager.cull_connected=True
studio: .venv/.ready ## open the Composer alone, a page without code, on this machine only
	$(BIN)/python $(STUDIO)

yours: room .venv/.ready ## train on your own folder: make yours SONGS=my-songs; FROM=scratch INSTRUMENT=all NAME= EPOCHS= RATE= PAGE=
	@[ -n "$(SONGS)" ] || { echo "Say which folder: make yours SONGS=my-songs"; exit 1; }
	@$(BIN)/python -m helpers.yours "$(SONGS)" $(if $(FROM),--from "$(FROM)") $(if $(INSTRUMENT),--instrument "$(INSTRUMENT)") \
	  $(if $(NAME),--name "$(NAME)") $(if $(EPOCHS),--epochs "$(EPOCHS)") $(if $(RATE),--rate "$(RATE)") $(if $(PAGE),--page "$(PAGE)")

notebooks: room .venv/.ready ## execute every notebook in place, as it is committed; ONLY=03-lstm does one
	@$(BIN)/python pages/run.py --in-place $(ONLY)

test-colab: .venv/.ready ## run every notebook with Colab's versions, each in an empty folder
	$(BIN)/python tests/colab/run.py

test-ranges: .venv/.ready ## run the tests with the lowest and with the newest versions of the dependencies
	$(BIN)/python tests/ranges.py

test-load: .venv/.ready ## run both commands in fresh clones on a quiet and on a busy machine (about two hours)
	$(BIN)/python tests/load.py

fuzz: .venv/.ready ## damaged files through the loader (hours): ONLY="midi abc" INPUTS=1000 SEED=2; finds go to build/fuzz
	$(BIN)/python -W ignore tests/fuzz.py $(ONLY) $(if $(INPUTS),--inputs $(INPUTS)) $(if $(SEED),--seed $(SEED))

kill: .venv/.ready ## kill -9 at random moments, full disks, eight loads at once (an hour): ONLY="cache disk" ROUNDS=20
	$(BIN)/python -W ignore tests/kill.py $(ONLY) $(if $(ROUNDS),--rounds $(ROUNDS))

mutate: .venv/.ready ## change the core line by line and see which changes no test notices (half an hour), into build/mutants
	$(BIN)/python tests/mutate.py

mutate-cells: .venv/.ready ## the same for the cells that notebooks export: ONLY=03-lstm SAMPLE=100, else all changes (hours)
	$(BIN)/python -W ignore tests/mutate_cells.py $(ONLY) $(if $(SAMPLE),--sample $(SAMPLE))

mutate-equations: .venv/.ready ## plant a mistake for each equation and see whether its check bites: ONLY=06-attention does one notebook
	$(BIN)/python tests/mutate_equations.py $(ONLY)

same: .venv/.ready ## run notebooks twice with one thread and once with two, and compare outputs and weights: ONLY=03-lstm
	$(BIN)/python -W ignore tests/same_again.py $(ONLY)

studio-load: .venv/.ready ## visitors of the studio at once: VISITORS=20, half a gigabyte each; ROUNDS=2 TAKES=4
	$(BIN)/python tests/studio_load.py $(if $(VISITORS),--visitors $(VISITORS)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(TAKES),--takes $(TAKES))

bench: .venv/.ready ## measure the speed claims and write benchmarks/RESULTS.md (15 minutes); QUICK=1 takes two and writes nothing; ONLY=threads
	$(BIN)/python benchmarks/$(if $(filter races growth limits,$(ONLY)),bench.py --only $(ONLY),$(or $(ONLY),bench).py) $(if $(QUICK),--quick)

benchmark: room .venv/.ready ## train on the published polyphonic benchmark (an hour or less), into models/benchmark.json
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[dev,benchmark]'
	$(BIN)/python benchmarks/polyphony.py $(ONLY)

clean: ## remove what make made, except the environment and the song cache
	rm -rf build site
