# make demo | demo-full | test | test-fast | lint | setup      STACK=openmmlab (default) or STACK=onedl
STACK ?= openmmlab
PYTHON ?= python3
VENV := .venv/$(STACK)
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.complete

.PHONY: demo demo-full test test-fast lint setup

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

setup: $(STAMP)

$(STAMP): setup.cfg setup.py pyproject.toml constraints.txt
	@case "$(STACK)" in openmmlab|onedl) ;; *) \
	  echo "STACK must be openmmlab or onedl, got $(STACK)"; exit 2;; esac
	@echo "Installing the stack $(STACK) into $(VENV): some minutes"
	$(PYTHON) -m venv --clear $(VENV)
	$(RUN) -m pip install -q -c constraints.txt -e '.[$(STACK),demo,dev,torchdistill]'
	touch $@
