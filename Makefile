PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Threads that spin while they wait are many times slower where other work shares the cores.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test check bench bench-nation soak clean

# The whole job on the embedded synthetic country; prints where the report is.
demo: $(VENV)/.installed
	$(BIN)/croplayer demo -o runs/demo

# Two files of tests at a time, the slow ones first.
test: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[bench,openvino]'
	$(BIN)/python -m benchmarks.kernels --json bench_kernels.json --markdown docs/kernels.md
	$(BIN)/python -m benchmarks.models --json bench_models.json
	$(BIN)/python -m benchmarks.table --json bench_table.json

# What a run costs with 10,000 to 383,266 blocks; hours on two cores. Parts: ARGS="--only schedule --blocks 10000".
bench-nation: $(VENV)/.installed
	$(BIN)/python -m benchmarks.nation --json bench_nation.json --markdown docs/nation.md $(ARGS)

# What a run survives, in full; hours. Parts: ARGS="--only kills --kills 50". Writes docs/soak.md.
soak: $(VENV)/.installed
	$(BIN)/croplayer demo -o runs/demo
	PYTHONPATH=.:tests $(BIN)/python -m soak --run runs/demo --write docs/soak.md $(ARGS)
	$(BIN)/python -m pytest -m soak

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "croplayer needs Python 3.11 or later, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) runs build dist
