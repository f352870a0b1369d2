# `make demo` is all one needs to look at Regulars; `make test` all one needs to change it.
CARGO ?= cargo

.PHONY: demo test test-camera bench soak chaos needs onnxruntime fmt

# Everything in one process: website, broker, two stores, five edges, simulated visitors.
demo:
	@$(CARGO) run --quiet --locked -p demo -- $(DEMO)

# Formatting, lints and every test, on real parts; installs what is missing first. Quiet unless something fails.
test: needs
	@scripts/test

# The edge on a real Video4Linux device, which a virtual machine's kernel has, unplugged and plugged in again; says so and
# passes where there is no qemu (docs/camera.md).
test-camera:
	@scripts/test-camera

# Whole programs under faults: killed, cut, restarted, and everything compared afterwards; then how long it took them
# to converge, and what a change, a repair and a first start take on the wire. SEED=7 replays a seed,
# ON=Sqlite or ON=Postgres one database.
chaos: needs
	@ROUNDS="$(or $(ROUNDS),200)" SEED="$(SEED)" ON="$(ON)" scripts/chaos

# The figures that must be reached, beside Mosquitto where that is installed and beside Python; some minutes.
bench:
	@$(CARGO) run --quiet --release --locked -p bench -- broker $(BENCH)
	@$(CARGO) run --quiet --release --locked -p bench -- sync $(BENCH)
	@$(CARGO) run --quiet --release --locked -p bench -- face $(BENCH)

# PostgreSQL, MQTT tools, libclang (for cameras) and libonnxruntime, where they are not there yet.
needs:
	@scripts/needs

# libonnxruntime into ./lib, where programs that were built here look for it; others get it by `edge models pull`.
onnxruntime:
	@edge/models/get-onnxruntime.sh lib

fmt:
	@$(CARGO) fmt --all

# Seeds of the simulator, for as long as one likes; a failing one replays with: cargo run -p sim -- trace SEED
SEEDS ?= 100000
FIRST ?= 0
soak:
	@$(CARGO) run --quiet --locked --release -p sim -- soak $(SEEDS) $(FIRST)
