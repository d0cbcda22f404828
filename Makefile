# make demo | test | lint | setup      STACK=openmmlab (default) or STACK=onedl
STACK ?= openmmlab
PYTHON ?= python3
VENV := .venv/$(STACK)
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.complete

.PHONY: demo test lint setup

demo: setup
	$(RUN) tools/prepare_digits.py
	$(RUN) tools/demo.py

# Two workers of one thread each: on two cores OpenMP's own threads would wait for each other.
test: setup
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

setup: $(STAMP)

$(STAMP): setup.cfg setup.py pyproject.toml constraints.txt
	@case "$(STACK)" in openmmlab|onedl) ;; *) \
	  echo "STACK must be openmmlab or onedl, got $(STACK)"; exit 2;; esac
	$(PYTHON) -m venv --clear $(VENV)
	$(RUN) -m pip install -q -c constraints.txt -e '.[$(STACK),demo,dev,torchdistill]'
	touch $@
