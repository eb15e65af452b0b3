# What a contributor and CI run. `make help` lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-21s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Prepare the virtual environment and all that it needs (seconds when there is nothing to do)
	@scripts/setup

.PHONY: demo
demo: setup ## Play the whole story against the agent (ARGS=--json for one object a step)
	@$(BIN)/tcu-sim demo $(ARGS)

.PHONY: test
test: setup check ## Everything CI asks: check, all tests, branch coverage of what decides
	@$(BIN)/python -m pytest $(ARGS) --cov

.PHONY: check
check: setup ## Lint, formatting and types (the order in which they are quick)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

.PHONY: format
format: setup ## Put the code into the house's form
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

.PHONY: socketcan
socketcan: setup ## Ports, bus faults and the demo on vcan, in user-mode Linux or on this kernel's own CAN
	@scripts/real-can vcan $(ARGS)

.PHONY: hil
hil: setup ## The same on two emulated Kvaser CAN controllers in QEMU, through the kernel's own driver
	@scripts/real-can kvaser $(ARGS)

.PHONY: models
models: setup ## Let Spin search every model of formal/ and every mutant (ARGS=--quick for a short form)
	@$(BIN)/python -m formal.run $(ARGS)

.PHONY: coverage
coverage: setup ## Branch coverage of core and protocol alone, line by line (must be 100 %)
	@$(BIN)/python -m pytest -q tests/core tests/protocol --cov

.PHONY: vectors-third-opinion
vectors-third-opinion: setup ## Put the vectors to a COSE and an HPKE library of others (installs them apart)
	@scripts/vectors-third-opinion

.PHONY: lock
lock: ## Resolve the pinned dependencies anew (ARGS=--upgrade to move to newer versions)
	@scripts/lock $(ARGS)

.PHONY: wheel
wheel: setup ## Build both wheels and try the agent's alone, as a board installs it
	@scripts/wheel

.PHONY: bare-root
bare-root: ## Try `make demo` and `make test` in a bare Debian 12 (needs root and debootstrap)
	@scripts/bare-root

SEEDS ?= 1000
.PHONY: simulate
simulate: setup ## Play SEEDS=1000 histories from seed FROM=0 on, all cores; failing ones are shrunk and written
	@$(BIN)/tcu-sim simulate --seeds $(or $(FROM),0):$$(( $(or $(FROM),0) + $(SEEDS) )) $(ARGS)

.PHONY: simulate-mutants
simulate-mutants: setup ## Break each safeguard in a copy and see after how many seeds the simulation notices
	@$(BIN)/python scripts/simulate-mutants $(ARGS)

MINUTES ?= 5
.PHONY: fuzz
fuzz: setup ## Any bytes to every decoder, guided by coverage, for MINUTES=5 in all (ARGS="mqtt record": only these)
	@scripts/fuzz $(MINUTES) $(ARGS)

.PHONY: mutants
mutants: setup ## Change one thing after the other in what decides; a test has to notice (ARGS='*/challenges.py')
	@set -f; $(BIN)/python scripts/mutants $(ARGS)  # -f: the patterns are the script's, not the shell's

.PHONY: crash
crash: setup ## Kill a real agent N=1000 times (SEED=... to repeat), restart it, and count what must never happen
	@$(BIN)/tcu-sim crash --kills $(or $(N),1000) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: crash-mutants
crash-mutants: setup ## Let the crash campaign loose on agents with one safeguard broken: each must be caught
	@$(BIN)/python scripts/crash-mutants

.PHONY: power-cut
power-cut: setup ## The same N=100 times on a disk that loses what was not synced (in user-mode Linux; needs root)
	@scripts/power-cut $(or $(N),100) $(SEED)

.PHONY: cloud-faults
cloud-faults: setup ## Break the link to a real broker in every way, and count what got through
	@$(BIN)/tcu-sim cloud-faults --acl deploy/mosquitto/tcu.acl $(ARGS)

.PHONY: cloud-second-brokers
cloud-second-brokers: setup ## The same on two brokers of other makers (installs them apart; needs node and npm)
	@scripts/second-brokers $(ARGS)

.PHONY: benchmark
benchmark: setup ## Compare ways in ratios, each pair in one run (ARGS="NAME --rounds 3", JSON=FILE; docs/benchmarks.md)
	@$(BIN)/python -m benchmarks $(if $(JSON),--json $(JSON)) $(ARGS)

.PHONY: clean
clean: ## Remove all that is not in git but was made here, except the virtual environment
	@rm -rf build dist sim/dist .cache .pytest_cache .hypothesis
	@find src sim tests -name __pycache__ -prune -exec rm -rf {} +
