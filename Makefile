# Every target makes the virtual environment .venv first where it is missing or outdated.
PYTHON ?= $(shell command -v python3 || command -v python3.13 || command -v python3.12 || command -v python3.11)
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)
# A test or a stage must not wait for a prompt, and DVC need not ask who uses it.
export DVC_NO_ANALYTICS := 1

.PHONY: help setup repro test test-long lint format params lock verify plan readme clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/ \t/' | sort

setup: .venv/installed ## make the environment .venv from requirements.lock

.venv/installed: requirements.lock
	@"$(PYTHON)" -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python >= 3.11 is needed, this is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12 …")'
	"$(PYTHON)" -m venv .venv
	@echo "installing the locked packages into .venv (about 7.5 GB, a few minutes) …"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch .venv/installed

repro: setup ## run the pipeline on what params.yaml names and print the result table
	@python -m stages.mend_lock
	OOD_HEADLINE=later dvc repro
	@cat reports/headline.txt

test: setup ## run the test suite
	python -m pytest -q -n 2 --dist loadfile

test-long: setup ## the test that takes minutes: folders of real photos, end to end
	python -m pytest -q -m long

lint: setup ## style, formatting and types
	ruff check .
	ruff format --check .
	basedpyright

format: setup ## rewrite the code in the house format
	ruff check --fix .
	ruff format .

params: setup ## compose params.yaml anew from conf/
	python -m stages.compose

lock: setup ## renew requirements.lock: names, versions and hashes, no host names
	python -m pip install --quiet uv
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --fork-strategy fewest --no-header --no-annotate --upgrade -q -o requirements.lock

verify: setup ## check every byte of every feature store
	python -m stages.verify

plan: setup ## what a run would extract, store and cost, and what is missing; WITH="benchmark=imagenet1k study=clip10" plans another one
	python -m stages.plan $(WITH)

readme: setup ## put the newest result table into README.md
	python -m stages.readme

clean: ## remove the environment (data, caches and reports stay)
	rm -rf .venv
