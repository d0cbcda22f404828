# make demo | demo-full | test | test-core | test-fast | gpu-report | lint | docs | notebooks |
# package | setup
# STACK=openmmlab (default), onedl, or torch21 with PYTHON=python3.9 or 3.10 (docs/environments.md)
STACK ?= openmmlab
PYTHON ?= python3
VENV := .venv/$(STACK)
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.complete
CONSTRAINTS := constraints.txt
EXTRAS := $(STACK:onedl=onedl,mmdet),demo,dev,torchdistill
ifeq ($(STACK),torch21)
CONSTRAINTS := constraints-torch21.txt
EXTRAS := openmmlab,demo,dev
endif

.PHONY: demo demo-full test test-core test-fast gpu-report lint docs notebooks package setup

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

# Tests marked gpu and benchmarks on one CUDA GPU, a table in work_dirs/gpu/report.md.
# Without a GPU it ends at once with status 2; SKIP=1 makes that 0.
gpu-report: setup
	$(RUN) tools/gpu_report.py $(if $(filter 1,$(SKIP)),--skip)

# Losses, distiller, checkpoints, a training and how it resumes.
CORE := $(addprefix tests/,test_functional test_losses test_distillers/test_feature_distiller.py \
        test_checkpoint test_tools/test_train.py)

test-core: setup
	$(PYTEST) $(CORE)

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
	@test '$(STACK)' != torch21 || { echo 'docs and notebooks need STACK=openmmlab or onedl'; exit 2; }
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

$(STAMP): setup.cfg setup.py pyproject.toml $(CONSTRAINTS)
	@case "$(STACK)" in openmmlab|onedl|torch21) ;; *) \
	  echo "STACK must be openmmlab, onedl or torch21, got $(STACK)"; exit 2;; esac
	@echo "Installing the stack $(STACK) into $(VENV): some minutes"
	$(PYTHON) -m venv --clear $(VENV)
	$(RUN) -m pip install -q -c $(CONSTRAINTS) -e '.[$(EXTRAS)]'
	touch $@
