PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
LOWEST ?= .venv-lowest
# Threads that spin while they wait are many times slower where other processes share the cores.
export OMP_WAIT_POLICY ?= PASSIVE
# Tests start hundreds of processes, which would compile the packages each time where a container says not to keep them.
export PYTHONDONTWRITEBYTECODE =

OLD_PYTHON := 'import sys; sys.exit(sys.version_info < (3, 11) and "croplayer needs Python 3.11 or later, this is " + sys.version.split()[0])'
PYTEST := -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations=40

.PHONY: help demo test coverage test-lowest check docs reference bench bench-pipeline bench-fields bench-nation bench-update bench-change bench-integration bench-labels bench-forgetting bench-teaching soak clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed ## map a small synthetic country into runs/demo and say where the report is
	$(BIN)/croplayer demo -o runs/demo

check: $(VENV)/.installed ## check style, types and the direction of imports; quick
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

# Three files of tests at a time on two cores, because tests that start runs often wait; the slow ones first.
test: $(VENV)/.installed ## run the tests
	$(BIN)/python $(PYTEST)

# Counting lines takes the tests a third more time.
coverage: $(VENV)/.installed ## run the tests and say what share of the code they ran
	$(BIN)/python $(PYTEST) --cov --cov-report=
	@$(BIN)/coverage report | awk '/^TOTAL/ { print "coverage of statements and branches: " $$NF "; files and lines: $(BIN)/coverage report -m" }'

# Installs into .venv-lowest, which is as large as .venv.
test-lowest: $(LOWEST)/.installed ## run the tests on the lowest versions that pyproject.toml allows
	$(LOWEST)/bin/python $(PYTEST) $(ARGS)

# RUN=runs/demo runs the notebooks on that run, so that the site shows their figures; without it they are shown as they are stored.
docs: $(VENV)/.installed ## build the site of the documentation into build/docs, without a network
	$(if $(RUN),CROPLAYER_RUN=$(abspath $(RUN)) PATH=$(abspath $(BIN)):$$PATH) $(BIN)/python -m sphinx -q -E -W --keep-going -c docs -d build/doctrees . build/docs
	@echo build/docs/index.html

reference: $(VENV)/.installed ## write docs/recipes.md, cli.md, api.md, formats.md and the schema of recipes from the code
	$(BIN)/python -m reference

bench: $(VENV)/.installed ## measure kernels, models and tables again and write docs/kernels.md
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[bench,openvino]'
	$(BIN)/python -m benchmarks.kernels --json bench_kernels.json --markdown docs/kernels.md
	$(BIN)/python -m benchmarks.models --json bench_models.json
	$(BIN)/python -m benchmarks.table --json bench_table.json

# Parts: ARGS="--only country". The real images need CROPLAYER_DATA.
bench-pipeline: $(VENV)/.installed ## measure whole runs against a plain script and write docs/pipeline.md
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[bench,openvino]'
	$(BIN)/python -m benchmarks.pipeline --json bench_pipeline.json --markdown docs/pipeline.md $(ARGS)

# An hour on two cores.
bench-fields: $(VENV)/.installed ## measure how well single fields are found in the synthetic country and write it into docs/fields.md
	$(BIN)/python -m benchmarks.synthetic_fields --keep runs/field_networks -o bench_fields.json --page docs/fields.md $(ARGS)

# Hours on two cores. Parts: ARGS="--only schedule --blocks 10000".
bench-nation: $(VENV)/.installed ## measure what a run of 10,000 to 383,266 blocks costs and write docs/nation.md
	$(BIN)/python -m benchmarks.nation --json bench_nation.json --markdown docs/nation.md $(ARGS)

# A quarter of an hour on two cores.
bench-integration: $(VENV)/.installed ## measure whether integration pays with few reviews and write it into docs/evaluation.md
	$(BIN)/python -m benchmarks.integration --write docs/evaluation.md $(ARGS)

bench-update: $(VENV)/.installed ## measure what an update costs beside the first edition and write it into docs/editions.md
	$(BIN)/python -m benchmarks.update --page docs/editions.md $(ARGS)

# An hour on two cores. The real images need CROPLAYER_DATA. The network is what bench-fields keeps.
bench-change: $(VENV)/.installed ## measure what is called change, on synthetic and on real land, and write it into docs/change.md
	mkdir -p runs
	$(BIN)/python -m benchmarks.change --keep runs/change_maps -o runs/change.json --page docs/change.md --picture docs/change.jpg $(addprefix --network ,$(wildcard runs/field_networks/unet)) $(ARGS)
	$(BIN)/python -m benchmarks.change_dates --data $${CROPLAYER_DATA:-../shared/data} -o runs/change_dates --page docs/change.md

# Minutes. The real images need CROPLAYER_DATA.
bench-labels: $(VENV)/.installed ## measure what choosing tasks is worth and write it into docs/labels.md
	$(BIN)/croplayer label simulate -o runs/labels_trial --images $${CROPLAYER_DATA:-../shared/data}/naip_fields/images --polygons $${CROPLAYER_DATA:-../shared/data}/naip_fields/fields.gpkg $(ARGS)
	$(BIN)/python -m benchmarks.choosing runs/labels_trial --write docs/labels.md

# Half an hour on two cores. Other countries: ARGS="--country 31".
bench-forgetting: $(VENV)/.installed ## measure what it is worth that a round keeps the map on land without a label and write it into docs/labels.md
	mkdir -p runs
	$(BIN)/python -m benchmarks.forgetting -o runs/forgetting.json --write docs/labels.md $(ARGS)

# An hour. Needs Chromium. The rounds of another label project beside it: ARGS="--record 'My land' labels".
bench-teaching: $(VENV)/.installed ## teach the shipped model unseen land in three rounds, at the page and in the GeoPackage, and write it into docs/labels.md
	$(BIN)/python -m benchmarks.teaching -o runs/teaching --write docs/labels.md $(ARGS)

# Hours. Parts: ARGS="--only kills --kills 50".
soak: $(VENV)/.installed ## test in full what a run survives, then the lowest versions, and write docs/soak.md
	$(BIN)/croplayer demo -o runs/demo
	PYTHONPATH=.:tests $(BIN)/python -m soak --run runs/demo --write docs/soak.md $(ARGS)
	$(BIN)/python -m pytest -m soak
	$(MAKE) test-lowest ARGS=

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c $(OLD_PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

$(LOWEST)/.installed: pyproject.toml constraints.txt benchmarks/lowest.py
	$(PYTHON) -c $(OLD_PYTHON)
	$(PYTHON) -m venv $(LOWEST)
	$(PYTHON) -m benchmarks.lowest > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet -c $(LOWEST)/constraints.txt -e '.[test]'
	touch $@

clean: ## remove the environments, runs and builds
	rm -rf $(VENV) $(LOWEST) runs build dist
