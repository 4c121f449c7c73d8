# Everything that is done often, one word each. What needs more than a line is in tools/ or xtask/.

PROFILE ?= default

.PHONY: demo test bench check release

# Starts a real application and asks it a few things.
demo:
	tools/setup demo
	cargo build --release --package wattle
	cargo xtask guests guestbook
	tools/demo

# Every test, and every example in the documentation. nextest comes last: after its summary is said what was skipped, if anything was.
test:
	tools/setup test
	cargo fmt --all --check
	cargo xtask guests
	cargo test --doc --workspace
	@tools/skipped forget
	cargo nextest run --workspace --profile $(PROFILE); ended=$$?; tools/skipped show; exit $$ended

# Measures wattle beside its peers.
bench:
	tools/setup bench
	tools/setup release
	cargo build --release --package bench
	cargo xtask guests
	cargo xtask release hyper-floor
	cargo xtask release
	RUST_BACKTRACE=0 target/release/bench

# What a reviewer should not have to say.
check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --document-private-items
	cargo xtask tidy

# The binary with its code arranged by what a request runs: see xtask/src/release.rs.
release:
	tools/setup release
	cargo xtask guests hello hello-p3
	cargo xtask release
	@echo "target/release/wattle: $$(($$(wc -c < target/release/wattle) / 1024)) KiB"
