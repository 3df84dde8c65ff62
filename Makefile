# uncia: every command a person or CI needs. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
PACKAGES := contract backbones edge training converter collector simulation
export PYTHONPATH := $(subst $() ,:,$(addprefix $(CURDIR)/,$(PACKAGES) tests))
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: help simulate test test-fast $(addprefix test-,$(PACKAGES)) test-slow test-tflite compare-runtimes test-resolve wheelhouse test-first-success test-arm64 test-faults check format starter demo-bundle bench release clean
help: ## print this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.light: pyproject.toml constraints.txt | $(BIN)/python
	@echo "uncia: setting up $(VENV) (light: no TensorFlow) ..."
	@test -e $(VENV)/.dev || $(PIP) -e '.[simulation]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "uncia: setting up $(VENV) (dev: TensorFlow included, 3.8 GB) ..."
	@$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.light

simulate: $(VENV)/.light ## replay recorded bursts through trap, broker and collector on this machine
	@$(BIN)/uncia-simulate

# Four workers on two cores, because many tests wait. All tests of a module run in one worker, because of its fixtures.
DEFAULT := -m 'not slow and not faults and not hardware and not arm64'
PYTEST := $(BIN)/python -m pytest -q -n 4 --dist loadfile --timeout 300
test: $(VENV)/.dev ## run the tests
	$(PYTEST) $(DEFAULT)

test-fast: $(VENV)/.dev ## run the tests that are quick enough for each save: no TensorFlow, Spark, browser, broker or database server
	$(BIN)/python -m pytest -q -n 3 --dist worksteal $(DEFAULT) --fast

$(addprefix test-,$(PACKAGES)): test-%: $(VENV)/.dev
	$(PYTEST) $(DEFAULT) tests/$*

test-slow: $(VENV)/.dev ## run the tests that take minutes each: networks from weights to the trap, review to bundle, spark-submit
	$(BIN)/python -m pytest -q -m 'slow and not faults' --durations=10

.venv-tflite/.ready: pyproject.toml
	$(PYTHON) -m venv .venv-tflite
	.venv-tflite/bin/python -m pip install --quiet --disable-pip-version-check 'tflite-runtime==2.14.0' 'numpy<2' Pillow msgspec pytest hypothesis
	@touch $@

test-tflite: .venv-tflite/.ready ## run the contract's tests on tflite-runtime 2.14 (numpy 1)
	.venv-tflite/bin/python -m pytest -q -p no:cacheprovider -m 'not slow' tests/contract

compare-runtimes: $(VENV)/.dev .venv-tflite/.ready ## compare the scores of ai-edge-litert and tflite-runtime on the pictures of DATA (two minutes)
	@mkdir -p runs/runtimes
	$(BIN)/python scripts/score_runtime.py models/snow-leopard-starter-2.uncia $(DATA)/labels.csv runs/runtimes/litert.npz
	.venv-tflite/bin/python scripts/score_runtime.py models/snow-leopard-starter-2.uncia $(DATA)/labels.csv runs/runtimes/tflite.npz
	$(BIN)/python scripts/compare_runtimes.py runs/runtimes/litert.npz runs/runtimes/tflite.npz

test-resolve: $(BIN)/python ## test that the wheel's requirements resolve from wheels only, for aarch64 and Python 3.11 to 3.13 (needs the package index)
	$(BIN)/python scripts/resolve_wheels.py

wheelhouse: $(BIN)/python ## fill wheelhouse/ for Raspberry Pis without internet (aarch64, Debian 12 and 13; needs the package index)
	$(BIN)/python scripts/wheelhouse.py wheelhouse

DEBIANS := /var/tmp/uncia-debian
DEBIAN_PACKAGES := systemd,systemd-sysv,python3-venv,mosquitto,udev,ca-certificates
test-first-success: $(VENV)/.dev ## run the field guide's commands on minimal Debian 12 and 13 (needs root, debootstrap, and internet the first time)
	for suite in bookworm trixie; do test -d $(DEBIANS)/$$suite || \
		debootstrap --variant=minbase --include=$(DEBIAN_PACKAGES) $$suite $(DEBIANS)/$$suite || exit 1; done
	$(BIN)/python scripts/wheelhouse.py $(DEBIANS)/wheelhouse --machine x86_64
	UNCIA_DEBIAN=$(DEBIANS) $(BIN)/python -m pytest -q --forbid-skips tests/systemd/test_first_success.py

test-arm64: $(VENV)/.dev ## run the trap's tests in emulated arm64 Debian 12, some of them in 13 (needs root; up to 30 minutes, and 2)
	RELEASE=bookworm scripts/test-arm64.sh
	RELEASE=trixie scripts/test-arm64.sh

check: $(VENV)/.dev ## check format, lint, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev ## format the code and fix what the linter can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Dates and seeds are fixed, so that the same data and versions give the same bytes. Why 600: docs/decisions/0004.
STARTER_EPOCH := 1795996800
starter: $(VENV)/.dev ## train the starter bundle again from DATA (../shared/data)
	$(BIN)/uncia-convert backbone --backbone efficientnet-lite2 --calibration $(DATA)/labels.csv \
	    --pictures 600 --out runs/starter/backbone
	$(BIN)/uncia-train fit --data $(DATA)/labels.csv --positive snow_leopard --name snow-leopard-starter \
	    --split source --sources models/snow-leopard-starter.sources.json --backbone-dir runs/starter/backbone --out runs/starter/head
	SOURCE_DATE_EPOCH=$(STARTER_EPOCH) $(BIN)/uncia-convert bundle runs/starter/head --bundle-version 2 \
	    --licence "CC BY 4.0, as far as the sources' licences permit; see sources" --out models/snow-leopard-starter-2.uncia

demo-bundle: $(VENV)/.dev ## train the demonstration bundle on rendered scenes
	$(BIN)/uncia-simulate render --training --seed 11 --out runs/demo/scenes
	$(BIN)/uncia-convert backbone --backbone efficientnet-lite0 --calibration runs/demo/scenes/labels.csv --out runs/demo/backbone
	$(BIN)/uncia-train fit --data runs/demo/scenes/labels.csv --positive snow_leopard --name rendered-demo \
	    --sources models/rendered-demo.sources.json --backbone-dir runs/demo/backbone --out runs/demo/head
	SOURCE_DATE_EPOCH=$(STARTER_EPOCH) $(BIN)/uncia-convert bundle runs/demo/head --licence Apache-2.0 \
	    --out models/rendered-demo-1.uncia

bench: $(VENV)/.dev .venv-tflite/.ready ## measure the trap's speed, early exit and memory, and compare with the promises (one to five minutes, on an idle machine)
	@short=0; \
	$(BIN)/python benchmarks/trap_speed.py models/snow-leopard-starter-2.uncia --card $(DATA)/bursts || short=1; \
	$(BIN)/python benchmarks/early_exit.py models/snow-leopard-starter-2.uncia $(DATA) || short=1; \
	$(BIN)/python benchmarks/burst_memory.py models/snow-leopard-starter-2.uncia || short=1; \
	test $$short = 0 || echo "bench: some figures are worse than promised; they are named above"; exit $$short

# Here a missing program is a failure and not a skip.
test-faults: $(VENV)/.dev ## run the fault tests: kill -9, power cuts, bad links and disks, fuzzing, a real systemd (needs root; about 11 minutes)
	@command -v mosquitto >/dev/null || test -x /usr/sbin/mosquitto || \
		{ echo "test-faults: mosquitto is missing; apt install mosquitto"; exit 1; }
	@command -v cc >/dev/null || { echo "test-faults: a C compiler is missing; apt install gcc"; exit 1; }
	@command -v systemctl >/dev/null || { echo "test-faults: systemd is missing; apt install systemd"; exit 1; }
	@for part in vsftpd smbd smbclient; do PATH=$$PATH:/usr/sbin command -v $$part >/dev/null || \
		{ echo "test-faults: $$part is missing; apt install vsftpd samba smbclient"; exit 1; }; done
	$(BIN)/python -m pytest -q --forbid-skips --durations=10 tests/faults tests/edge/delivery/test_link_faults.py tests/collector/ingest/test_fuzz.py \
	    tests/collector/ingest/test_group.py tests/collector/ingest/test_extremes.py tests/systemd/test_field_guide.py tests/systemd/test_hub_guide.py

release: ## build sdist and wheel, install the wheel into an empty environment, run the simulation there (two minutes)
	scripts/release.sh $(PYTHON)

clean: ## remove files that can be made again
	rm -rf out runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
