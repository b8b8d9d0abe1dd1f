# Weir in an image that holds nothing but the program and the certificates of
# public authorities: no shell, no package manager, no user but a number.
#
#   docker build --build-arg VERSION=1.2.3 -t weir .
#
# deploy/README.md says how it is run; deploy/compose.yaml runs it with PostgreSQL.

FROM golang:1.26-bookworm AS build
WORKDIR /src
# The modules first: they change seldom, so that a change of the code alone
# finds them in the cache.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=develop
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false \
      -ldflags "-s -w -X main.version=${VERSION}" -o /out/weir ./cmd/weir
# An empty folder, for scratch has no command that could make one.
RUN mkdir /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/weir /weir
# The only place that is written to, and with PostgreSQL not even this one is.
# SQLite sorts what is too much for memory in temporary files, which lie here
# too, since nothing else can be written where the root is read-only.
COPY --from=build --chown=65532:65532 --chmod=0700 /out/data /var/lib/weir
ENV TMPDIR=/var/lib/weir
WORKDIR /var/lib/weir
VOLUME ["/var/lib/weir"]
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=6s --start-period=30s --retries=3 CMD ["/weir", "health"]
ENTRYPOINT ["/weir"]
CMD ["serve"]
