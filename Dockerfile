# The hub as an image: `docker build -t tandem .`
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# Two caches, so that a second build takes what the first one fetched and compiled.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin tandem && cp target/release/tandem /tandem

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/tandem --create-home tandem
# The authorities that public clouds are signed by.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /tandem /usr/local/bin/tandem
COPY config /etc/tandem/config
COPY mappings /etc/tandem/mappings
USER tandem
WORKDIR /var/lib/tandem
VOLUME /var/lib/tandem
EXPOSE 8787
# The hub takes SIGTERM for "finish what is in hand".
STOPSIGNAL SIGTERM
ENTRYPOINT ["tandem"]
CMD ["serve", "--config", "/etc/tandem/config/tandem.toml", "--data", "/var/lib/tandem"]
