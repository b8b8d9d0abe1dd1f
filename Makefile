# `make` prints what can be made. The checks themselves stand in .ci/run, so
# that a machine of ours and the server run the same ones.

.DEFAULT_GOAL := help

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the program into bin/weir
	go build -o bin/weir ./cmd/weir

demo: ## run a PSP, an integration service and the hub in one process
	go run ./cmd/weir demo

test: ## run every test
	@.ci/run test

race: ## run the tests of concurrent packages under the race detector
	@.ci/run race

fmt: ## format every file
	go tool -modfile=tools/go.mod gofumpt -w .

lint: ## run the linters
	@.ci/run lint

vuln: ## look for known vulnerabilities in code that is reached
	@.ci/run vuln

check: ## run everything that a change must pass
	@.ci/run

tidy: ## settle go.mod, go.sum and the table in ARCHITECTURE.md
	go mod tidy
	cd tools && go mod tidy
	go test ./internal/tidy -update

bench: ## measure how fast transactions are read and stored
	go run ./cmd/weir bench ingest

benchmarks: ## run Go's benchmarks into .cache/benchmarks.txt, for benchstat
	mkdir -p .cache
	go test -run '^$$' -bench . -benchmem -count 10 ./... > .cache/benchmarks.txt

.PHONY: help build demo test race fmt lint vuln check tidy bench benchmarks
