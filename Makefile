# Everything a developer runs. `make test` on a fresh Debian or Ubuntu machine with Python 3.11+ needs nothing else.
PYTHON ?= python3
UV     := .venv/bin/uv
RUN    := .venv/bin

.PHONY: help install deps docs collection lock lock-releases lint test test-unit test-releases demo bench-exporter bench-guard bench-inventory bench-lab bench-move bench-objects bench-plan bench-planning bench-raw bench-rounds bench-site bench-upgrade bench-volumes bench-watch bench-window clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

.venv/ok: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -q --disable-pip-version-check "$$(grep -o '^uv==[^ ]*' requirements.lock)"
	$(UV) pip sync -q --compile-bytecode --python .venv/bin/python --require-hashes requirements.lock
	$(UV) pip install -q --python .venv/bin/python --no-deps -e .
# where Python may not write bytecode itself (PYTHONDONTWRITEBYTECODE), each naru would take seconds to start without
	.venv/bin/python -m compileall -q naru
	touch $@

install: .venv/ok ## the project's own virtual environment, from the lock

lock: ## renew requirements.lock (no registry is named in it, unlike uv.lock)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header --extra alerts --extra workers --group dev -o requirements.lock pyproject.toml

lock-releases: install ## renew the locks of OpenStack's releases: CONSTRAINTS=directory of upper constraints, <release>.txt
	$(RUN)/python -m naru.releases.lock $(CONSTRAINTS)

docs: install ## pages and modules of Ansible that are made of data
	$(RUN)/python -m naru.releases.blockers
	$(RUN)/python -m naru.cli.collection

collection: install ## the Ansible collection as a file: build/naru-openstack-VERSION.tar.gz
	$(RUN)/ansible-galaxy collection build ansible --output-path build --force

lint: install ## ruff, mypy and which room imports which (pyproject.toml)
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports --no-logo

deps: install ## the distribution's packages, without starting their daemons (needs root)
	$(RUN)/naru lab deps --install

test: lint deps ## what is claimed, on real services, two tests at a time
	$(RUN)/naru lab install
	$(RUN)/pytest -m "not releases" -n 2 --dist loadgroup --no-loadscope-reorder --durations=60

test-releases: install deps ## what takes longest: every release, services on request, real guests, wide moves
	$(RUN)/pytest -m releases
	$(RUN)/pytest -q -m unit --hypothesis-profile=new

demo: install deps ## two clouds nine years apart, and a small company moved from the old one to the new
	$(RUN)/naru lab up
	. ./.venv/bin/activate; eval "$$(naru lab shell old --print)"; set -e; lab=$$(dirname "$$OS_CLIENT_CONFIG_FILE"); \
	  if [ -e build/demo/journal.db ]; then naru move rollback build/demo || true; rm -rf build/demo; fi; \
	  naru lab seed demo --cloud old; \
	  naru move plan --from old --to new --map naru/move/samples/demo-map.yaml --work build/demo \
	    --project hanok --project hanok-lab --project carpenters --project hanok-closed \
	    --storage old=$$lab/storage-old.yaml --storage new=$$lab/storage-new.yaml; \
	  naru move prepare build/demo; naru move sync build/demo; naru move cutover build/demo; naru move verify build/demo --all; \
	  naru move report build/demo; echo; echo "the report: build/demo/report/overview.en.html"

test-unit: install ## the quick loop: seconds
	$(RUN)/pytest -q -m unit

bench-exporter: install ## what naru exporter costs for 1,000 hosts and 50,000 servers of a stand-in; 2 minutes, wants an idle machine
	$(RUN)/python benchmarks/exporter.py

bench-guard: install ## what the guard takes of a core with 1,000 hosts, and how its decisions grow; a minute
	$(RUN)/python benchmarks/guard.py

bench-inventory: install deps ## reading a cloud of 5,000 servers; minutes, wants an idle machine
	$(RUN)/python benchmarks/inventory.py

bench-lab: install deps ## how fast clouds come up, what they hold, 500 servers on 50 hosts; minutes, wants an idle machine
	$(RUN)/python benchmarks/lab.py

bench-move: install deps ## a project of 50 servers planned and prepared, beside the clouds' own time; 20 minutes, wants an idle machine
	$(RUN)/python benchmarks/move.py

bench-objects: install deps ## a Swift account carried to another Swift, beside the plainest client and rclone; an hour, wants an idle machine
	$(RUN)/naru lab install pike $$($(RUN)/python -c "from naru.releases import release; print(release.names()[-1])")
	$(RUN)/python benchmarks/objects.py

bench-plan: install ## what a journaled step costs, beside DBOS; minutes, wants an idle machine
	$(UV) venv -q --allow-existing --python .venv/bin/python build/bench
	$(UV) pip install -q --compile-bytecode --python build/bench/bin/python --group bench
	$(RUN)/python benchmarks/plan.py --peer build/bench/bin/python

bench-planning: install ## the plan of a whole cloud of 10,000 servers, and how it grows; minutes, wants an idle machine
	$(RUN)/python benchmarks/planning.py

bench-raw: install ## raw files beside qemu-img and a plain read; minutes
	$(RUN)/python benchmarks/raw.py

bench-rounds: install deps ## a round of copying ahead of many tiny volumes, beside the copies alone; minutes, wants an idle machine
	$(RUN)/python benchmarks/rounds.py

bench-site: install deps ## naru site check for 300 lines of a site, beside plain ssh; 2 minutes, wants an idle machine
	$(RUN)/python benchmarks/site.py

bench-upgrade: install deps ## an upgrade's window with 100,000 servers, beside its migrations alone; 300 agents started; an hour or more, wants an idle machine
	$(RUN)/python benchmarks/upgrade.py

bench-volumes: install deps ## volume content between two Ceph clusters and files, beside rbd and qemu-img; half an hour, wants an idle machine
	$(RUN)/python benchmarks/volumes.py

bench-window: install deps ## how long servers are off, beside the same calls by hand; 5 minutes, wants an idle machine
	$(RUN)/python benchmarks/window.py

bench-watch: install ## errors read, grouped by statement and joined by request, beside Drain3; half an hour, wants an idle machine
	$(UV) venv -q --allow-existing --python .venv/bin/python build/bench-watch
	$(UV) pip install -q --compile-bytecode --python build/bench-watch/bin/python --group bench-watch
	$(RUN)/naru lab install $$($(RUN)/python -c "from naru.releases import release; print(release.names()[-1])")
	$(RUN)/python benchmarks/watch.py --peer build/bench-watch/bin/python

clean: ## the virtual environment and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
