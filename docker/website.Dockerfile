FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p website

FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates curl && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/website /usr/local/bin/website
COPY docker/make-store /usr/local/bin/make-store
EXPOSE 8080 1883
ENTRYPOINT ["website"]
CMD ["serve"]
