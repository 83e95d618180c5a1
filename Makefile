# Everything a developer runs. `make test` on a fresh Debian or Ubuntu machine with Python 3.11+ needs nothing else.
PYTHON ?= python3
UV     := .venv/bin/uv
RUN    := .venv/bin

.PHONY: help install deps lock lock-releases lint test test-unit test-releases demo bench-inventory bench-lab bench-plan clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

.venv/ok: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -q --disable-pip-version-check "$$(grep -o '^uv==[^ ]*' requirements.lock)"
	$(UV) pip sync -q --python .venv/bin/python --require-hashes requirements.lock
	$(UV) pip install -q --python .venv/bin/python --no-deps -e .
	touch $@

install: .venv/ok ## the project's own virtual environment, from the lock

lock: ## renew requirements.lock (no registry is named in it, unlike uv.lock)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header --extra workers --group dev -o requirements.lock pyproject.toml

lock-releases: install ## renew the locks of OpenStack's releases: CONSTRAINTS=directory of upper constraints, <release>.txt
	$(RUN)/python -m naru.lab.lock $(CONSTRAINTS)

lint: install ## ruff and mypy
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

deps: install ## the distribution's packages, without starting their daemons (needs root)
	$(RUN)/naru lab deps --install

test: lint deps ## everything that is claimed, on real services; 30 minutes on 2 cores
	$(RUN)/naru lab install
	$(RUN)/pytest -m "not releases"

test-releases: install deps ## every release installed, every era brought up; more than an hour
	$(RUN)/pytest -m releases

demo: install deps ## two clouds nine years apart, a small company in the old one, and what both own
	$(RUN)/naru lab up
	$(RUN)/naru lab seed demo --cloud old
	. ./.venv/bin/activate; eval "$$(naru lab shell old --print)"; \
	  for cloud in old new; do echo; echo "$$cloud owns:"; naru inventory $$cloud; done

test-unit: install ## the quick loop: seconds
	$(RUN)/pytest -q -m unit

bench-inventory: install deps ## reading a cloud of 5,000 servers; minutes, wants an idle machine
	$(RUN)/python benchmarks/inventory.py

bench-lab: install deps ## how fast clouds come up, what they hold, 500 servers on 50 hosts; minutes, wants an idle machine
	$(RUN)/python benchmarks/lab.py

bench-plan: install ## what a journaled step costs, beside DBOS; minutes, wants an idle machine
	$(UV) venv -q --allow-existing --python .venv/bin/python build/bench
	$(UV) pip install -q --python build/bench/bin/python --group bench
	$(RUN)/python benchmarks/plan.py --peer build/bench/bin/python

clean: ## the virtual environment and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
