# `make demo` is all one needs to look at Regulars; `make test` all one needs to change it.
CARGO ?= cargo

.PHONY: demo test needs onnxruntime fmt

# Everything in one process: website, broker, two stores, five edges, simulated visitors.
demo:
	@$(CARGO) run --quiet --locked -p demo -- $(DEMO)

# Formatting, lints and every test, on real parts; installs what is missing first. Quiet unless something fails.
test: needs
	@scripts/test

# PostgreSQL, MQTT tools and libonnxruntime, where they are not there yet.
needs:
	@scripts/needs

# libonnxruntime into ./lib, where the edge looks for it.
onnxruntime:
	@edge/models/get-onnxruntime.sh lib

fmt:
	@$(CARGO) fmt --all
