# Everything is made in the checkout: .venv (Python packages) and .state (clouds, logs, images).
SHELL := /bin/bash
PYTHON_IN_VENV := .venv/bin/python
# Simulated hosts serve SMB through Samba, which wants to be root.
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo env PYTHONDONTWRITEBYTECODE=1)
.DEFAULT_GOAL := help
# make test: further arguments for pytest, such as PYTEST="-k console -x"
PYTEST ?=
# make test: a folder for the results in JUnit's form
RESULTS ?=
results = $(if $(RESULTS),--junitxml=$(RESULTS)/$(1).xml)
# make cuts: names of operations; make tempest: which tests, and whether to write docs/tempest.md
CUTS ?=
REGEX ?=
DOCS ?=
# make demo CHECK=1: stop the cloud at the end, fail if anything did not work
CHECK ?=

.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: setup
setup: ## system packages and .venv, with everything below needs
	@tools/setup.sh

.PHONY: demo
demo: setup ## a real OpenStack on two simulated Hyper-V hosts, and a tour of it (CHECK=1: stop afterwards)
	@exec $(AS_ROOT) $(PYTHON_IN_VENV) -m demo up $(if $(CHECK),--check)

.PHONY: demo-stop
demo-stop: ## stop what `make demo` left running
	@[ ! -x $(PYTHON_IN_VENV) ] || exec $(AS_ROOT) $(PYTHON_IN_VENV) -m demo stop

.PHONY: test
test: setup lint ## everything else that proves the product
# Nova and Neutron do not go into one process: they share oslo.config's one CONF, and Nova forbids the eventlet that Neutron
# imports. No tests found (5) is fine: PYTEST may choose some of one half only.
	@failed=0; \
	$(AS_ROOT) $(PYTHON_IN_VENV) -m pytest -n 4 --ignore=tests/neutron $(call results,tests) $(PYTEST) || [ $$? = 5 ] || failed=1; \
	$(AS_ROOT) $(PYTHON_IN_VENV) -m pytest tests/neutron $(call results,neutron) $(PYTEST) || [ $$? = 5 ] || failed=1; \
	exit $$failed

.PHONY: lint
lint: setup ## style, types, and the direction of imports
	@.venv/bin/ruff check --quiet
	@.venv/bin/ruff format --check --quiet
	@.venv/bin/mypy --no-error-summary src/compute_hyperv src/hyperv_simulator
	@mkdir -p .state; .venv/bin/lint-imports --no-logo > .state/imports.log || { cat .state/imports.log; exit 1; }

.PHONY: cuts
cuts: setup ## every operation cut off at each of its requests, and what is left then (CUTS="stop start": only these)
	@exec $(AS_ROOT) $(PYTHON_IN_VENV) -m cuts $(CUTS)

.PHONY: tempest
tempest: setup ## OpenStack's own tests of the compute API on the simulated hosts (REGEX=: only these; DOCS=1: the page, too)
	@exec $(AS_ROOT) $(PYTHON_IN_VENV) -m demo.tempest $(if $(REGEX),--regex '$(REGEX)') $(if $(DOCS),--docs)

.PHONY: bench
bench: setup ## measure against the budgets; writes bench/results.json
	@exec $(AS_ROOT) $(PYTHON_IN_VENV) -m bench.run

.PHONY: docs
docs: setup ## the documentation, in docs/_build/html
	@.venv/bin/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"
