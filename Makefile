# make demo | demo-full | test | test-fast | lint | docs | notebooks | package | setup      STACK=openmmlab (default) or STACK=onedl
STACK ?= openmmlab
PYTHON ?= python3
VENV := .venv/$(STACK)
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.complete

.PHONY: demo demo-full test test-fast lint docs notebooks package setup

demo: setup
	$(RUN) tools/prepare_digits.py
	$(RUN) tools/demo.py

demo-full: setup
	$(RUN) tools/prepare_digits.py
	$(RUN) tools/demo.py --full

# Two workers of one thread each: on two cores OpenMP's own threads would wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: setup
	$(PYTEST)

test-fast: setup
	$(PYTEST) -m 'not slow'

lint: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports

# The site, from the pages and the docstrings. A warning is an error; -E, because pages that Sphinx
# has read before give theirs only once.
SITE ?= build/site
DOCS_STAMP := $(VENV)/.docs

docs: setup $(DOCS_STAMP)
	$(RUN) -W ignore::FutureWarning -m sphinx -E -W --keep-going -q -c docs -d build/doctrees . $(SITE)
	@echo "The site's first page: $(SITE)/index.html"

$(DOCS_STAMP): $(STAMP)
	$(RUN) -m pip install -q -c constraints.txt -e '.[docs]'
	touch $@

# The notebooks from top to bottom, on short trainings; the files stay as they are.
notebooks: setup $(DOCS_STAMP)
	ICKD_ITERATIONS=4 OMP_NUM_THREADS=1 $(VENV)/bin/jupyter execute docs/notebooks/*.ipynb

# Source archive and wheel in dist/, the wheel from the archive, installed and read in a fresh environment.
package:
	$(PYTHON) -m venv --clear .venv/package
	.venv/package/bin/python -m pip install -q -c constraints.txt build twine
	rm -rf dist
	.venv/package/bin/python -m build
	.venv/package/bin/python -m twine check --strict dist/*
	$(PYTHON) -m venv --clear .venv/installed
	.venv/installed/bin/python -m pip install -q -c constraints.txt dist/*.whl
	cd dist && ../.venv/installed/bin/python -c "import torch, ickd_mm; \
	  print(ickd_mm.__version__, ickd_mm.ICKDLoss(grid=2)(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 8, 8)))"

setup: $(STAMP)

$(STAMP): setup.cfg setup.py pyproject.toml constraints.txt
	@case "$(STACK)" in openmmlab|onedl) ;; *) \
	  echo "STACK must be openmmlab or onedl, got $(STACK)"; exit 2;; esac
	@echo "Installing the stack $(STACK) into $(VENV): some minutes"
	$(PYTHON) -m venv --clear $(VENV)
	$(RUN) -m pip install -q -c constraints.txt -e '.[$(STACK),demo,dev,torchdistill]'
	touch $@
