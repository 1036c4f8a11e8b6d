# The commands a newcomer and the CI run. Everything that needs root asks sudo for it.
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
BIN := .venv/bin
CARGO = PATH="$$PATH:$$HOME/.cargo/bin" cargo
ARGS ?=
# Tests wait for timers and programs of their own more than they compute: three files at a time on two cores.
JOBS ?= 3

.PHONY: help setup lab test test-setup check bench clean

help:
	@echo 'make lab     set up, then build the two-router lab and type a VPN into it (ARGS=--once: clean up after)'
	@echo 'make setup   install what Seikan needs here: Debian packages, .venv, the built package'
	@echo 'make test    every test: unit, namespaces, real peers (ARGS=... goes to pytest)'
	@echo 'make check   ruff, mypy, import rules, cargo fmt, clippy'
	@echo 'make bench   throughput and negotiations, measured beside other VPNs'
	@echo 'make clean   remove what was built here'

setup:
	@scripts/setup

lab: setup
	@$(SUDO) $(BIN)/seikan lab up vti $(ARGS)

test-setup:
	@scripts/setup --tests

test: test-setup
	$(CARGO) test --release --locked --manifest-path rust/Cargo.toml --quiet
	$(SUDO) env SEIKAN_REQUIRE_TOOLS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

check:
	@scripts/setup --checks
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(CARGO) fmt --manifest-path rust/Cargo.toml --all -- --check
	$(CARGO) clippy --release --locked --manifest-path rust/Cargo.toml --all-targets --quiet -- -D warnings

bench: test-setup
	@$(SUDO) $(BIN)/python -m bench $(ARGS)

clean:
	rm -rf .venv rust/target dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f src/seikan/plane/_native*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
