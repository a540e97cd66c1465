# The verbs of this project. `make` alone lists them.
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DEFAULT_GOAL := help

ENV ?= local
PYTHON ?= python3
VENV := .shipway/venv/bin

# Compiled modules lie in one folder, not beside each source file.
export PYTHONPYCACHEPREFIX := $(CURDIR)/.shipway/cache/pycache
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup up down preview test test-cluster docs tutorial ci bench soak faults year wheels lock clean python

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: python ## get the Python packages and the programs; then `source .shipway/env`
	@$(PYTHON) -m tools.setup

up: setup ## train what has no release, start the platform, send a first request (ENV=local)
	@$(VENV)/python -m tools.up --env $(ENV)

down: ## stop everything `make up` started and remove what it made; bundles stay (ENV=local)
	@if [ -x $(VENV)/python ]; then $(VENV)/python -m tools.down --env $(ENV); else $(PYTHON) -m tools.down --env $(ENV); fi

preview: setup ## show what the next deployment would change (ENV=local; JSON=1, POLICIES=1; elsewhere offline: BASE=main, LIVE=1)
	@$(VENV)/python -m tools.preview --env $(ENV) $(if $(JSON),--json) $(if $(LIVE),--live) $(if $(BASE),--base $(BASE)) \
	  $(if $(PROJECT),--project "$(PROJECT)") $(if $(MARKDOWN),--markdown "$(MARKDOWN)") $(if $(POLICIES),$(if $(filter 0,$(POLICIES)),--no-policies,--policies))

test: setup ## lint, types, layers, unit tests, tests with real processes (ONLY="lint unit" for some)
	@$(VENV)/python -m tools.checks $(ONLY)

bench: setup ## measure how long the road takes, in a clone of its own
	@. .shipway/env && $(VENV)/python -m benchmarks.gateway_hop && $(VENV)/python -m benchmarks.road

soak: setup ## real slots under load and faults: do memory or descriptors grow? (MINUTES=30)
	@. .shipway/env && $(VENV)/python -m benchmarks.soak --minutes $(or $(MINUTES),30)

faults: setup ## inject every fault of the design into real processes (ONLY="F4 F5", SEEDS=3, JOBS=2); goes on where it was cut off
	@$(VENV)/python -m tools.faults $(if $(ONLY),--only "$(ONLY)") $(if $(SEEDS),--seeds $(SEEDS)) $(if $(JOBS),--jobs $(JOBS))

year: setup ## replay 2013 at speed on a platform of its own: drift, retraining, promotion (BASE=9600, SHARE=0.35; half an hour)
	@. .shipway/env && $(VENV)/python -m tools.year $(if $(BASE),--base $(BASE)) $(if $(SHARE),--share $(SHARE))

test-cluster: ## on stand-ins of the clouds, by checkov, and on a real Kubernetes control plane (built first: 8 minutes)
	@$(PYTHON) -m tools.setup --cluster
	@$(VENV)/python -m tools.checks standins graders cluster

docs: setup ## build the documentation as a site, in .shipway/cache/site; a broken link is an error
	@NO_MKDOCS_2_WARNING=1 $(VENV)/mkdocs build --quiet && echo "  docs         .shipway/cache/site/index.html" >&2

tutorial: setup ## type the tutorial on a platform of its own and hold its page to what that prints (WRITE=1 mends the page)
	@$(VENV)/python -m tools.tutorial $(if $(WRITE),--write)

ci: test docs tutorial test-cluster ## what the build server runs

wheels: setup ## build the packages shipway and shipway-stack into dist/, for repositories of one model
	@. .shipway/env && python -m hatchling build --target wheel --directory dist \
	  && cd packaging/shipway-stack && python -m hatchling build --target wheel --directory ../../dist

lock: setup ## compile requirements.lock anew from pyproject.toml
	@$(VENV)/uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras --generate-hashes \
	  --no-emit-index-url --no-header --quiet --output-file requirements.lock

clean: down ## also remove .shipway/: environment, bundles, registry, state (the tool cache stays)
	@rm -rf .shipway && echo "  clean        .shipway/ is removed, bundles and all; the tool cache stays" >&2

python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else \
	"error: $(PYTHON) is Python %d.%d, expected 3.11 or newer: make PYTHON=/path/to/python3.11" % v[:2])'
