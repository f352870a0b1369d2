FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN apt-get update && apt-get install --yes --no-install-recommends libclang-dev python3-pip \
    && cargo build --release --locked -p edge \
    && make onnxruntime

FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/edge /usr/local/bin/edge
COPY --from=build /src/lib/ /usr/local/lib/
COPY docker/join-and-run /usr/local/bin/join-and-run
ENTRYPOINT ["/usr/local/bin/join-and-run"]
