# `make help` lists the targets. Everything is made under target/.
SHELL := /bin/sh
.DEFAULT_GOAL := help
DOCTOR := target/release/isar-doctor
IMAGES := $(or $(ISAR_DOCTOR_FIXTURES),target/fixtures)/images
# Bases that most tests need; made while the crate is being compiled.
BASES := --base bookworm-cloud --base trixie-cloud

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## install what is missing (Debian packages, by apt; asks for root only then)
	@scripts/setup

demo: setup ## build everything and show a healthy and a failing image, inspected and booted
	cargo build --release
	fixtures/build healthy race
	@scripts/demo $(DOCTOR) $(IMAGES)

test: setup lint deny ## what CI runs: format, lints, dependencies, unit tests, real images, a set of boots
	@fixtures/build $(BASES) >/dev/null & bases=$$!; \
	echo "cargo test --no-run" >&2; cargo test --no-run; built=$$?; \
	wait $$bases && [ $$built -eq 0 ]
	cargo test

test-full: setup lint deny ## and all slow boots
	@scripts/setup-browser
	@scripts/setup-validators
	cargo test -- --include-ignored

lint: ## format and clippy
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

deny: ## licences, bans, sources, advisories of the dependencies
	@scripts/deny

docs: ## write docs/rules from rules/
	rm -f docs/rules/*.md
	cargo run --quiet -- rules --write-docs docs/rules

deb: ## a Debian package (cargo-deb) in target/deb, for `apt install ./…`
	@scripts/deb

bench: setup ## speed and memory, with figures
	cargo build --release
	scripts/bench --doctor $(DOCTOR)

score: setup ## every fault: what inspect and boot say against what is expected
	cargo build --release
	fixtures/score --doctor $(DOCTOR)

clean: ## remove everything that was built, the images too
	cargo clean
	rm -rf target

.PHONY: help setup demo test test-full lint deny docs deb bench score clean
