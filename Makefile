# make help lists the targets. Everything a target needs from outside is set up by the target itself.

GO ?= go
PROGRAMS := agent costgen isosearch
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X main.version=$(VERSION)
# go-nvml binds functions that NVIDIA deprecates; nothing of ours is to be done about it.
export CGO_CFLAGS ?= -O2 -g -Wno-deprecated-declarations

# Tests of these fail, not skip, when the library is missing; "1" stands for every runtime there is.
ISOCOST_REQUIRE_NATIVE ?= onnxruntime,litert
# Packages in which goroutines share something; the race detector costs too much for the others.
RACE ?= ./agent/campaign ./agent/child ./internal/cli ./internal/forward ./search

.PHONY: help
help: ## this list
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

.PHONY: setup
setup: ## install ONNX Runtime for this machine into .native/ (pinned version and hash)
	scripts/setup-native.sh onnxruntime

.PHONY: setup-test
setup-test: ## install every runtime the tests use
	scripts/setup-native.sh onnxruntime litert onnxruntime-webgpu
	if command -v npm >/dev/null; then scripts/setup-native.sh tflite; fi
	if [ "$$($(GO) env GOOS)-$$($(GO) env GOARCH)" = linux-amd64 ]; then scripts/setup-native.sh onnxruntime-openvino; fi

.PHONY: build
build: ## build bin/agent, bin/costgen and bin/isosearch
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/ $(PROGRAMS:%=./cmd/%)

.PHONY: demo
demo: setup build ## the main job on this machine: plan, measure, compile, audit, search, report
	scripts/demo.sh

.PHONY: accuracy
accuracy: setup build ## predicted against measured networks, on this machine → docs/results/accuracy.md (4 minutes)
	scripts/studies/accuracy.sh

.PHONY: accuracy-models
accuracy-models: setup build ## the same for 24 exported networks, fp32 and int8 → docs/results/accuracy-models.md (12 minutes; wants torch for the export)
	scripts/studies/accuracy-models.sh

.PHONY: accuracy-unseen
accuracy-unseen: setup build ## tables of this machine made in 10 minutes, judged by networks of which nothing was measured, a second device and other plans → docs/results/accuracy-unseen.md (an hour; wants torch for the export)
	scripts/studies/accuracy-unseen.sh

.PHONY: accuracy-tflite
accuracy-tflite: setup build ## the same for .tflite networks on LiteRT (12 minutes; wants tensorflow for the export)
	RUNTIME=litert scripts/studies/accuracy-models.sh

.PHONY: differential
differential: setup ## what the readers make of 20,000 random graphs of each kind against ONNX Runtime (folds, shapes, fusions, quantised, packed) and LiteRT (shapes; kernels of 400) → docs/results/differential.md (5 minutes; ISOCOST_SEED=…; DIFFERENTIAL=…: as many, no page)
	rm -f .study.md
	ISOCOST_STUDY="$$PWD/.study.md" ISOCOST_REQUIRE_NATIVE=onnxruntime,litert ISOCOST_DIFFERENTIAL=$(or $(DIFFERENTIAL),20000) $(GO) test -count=1 -p 1 -timeout 90m -v -run 'AgreeWith(Runtime|LiteRT)' ./agent/ort ./agent/tflite
	@if [ -z "$(DIFFERENTIAL)" ]; then scripts/studies/results.sh differential 'make differential' < .study.md; fi; rm -f .study.md

.PHONY: torture
torture: setup ## damaged files, kills, two at once, full disks, limits and every fuzz target → docs/results/torture.md (10 minutes; TORTURE=short: less than one, no page)
	ISOCOST_TORTURE=$(or $(TORTURE),long) ISOCOST_STUDY="$$PWD/.study.md" $(GO) test -count=1 -timeout 60m -v ./internal/torture
	@if [ "$(or $(TORTURE),long)" = long ]; then scripts/studies/results.sh torture 'make torture' < .study.md; fi; rm -f .study.md

.PHONY: memory
memory: setup build ## peak memory predicted against what ONNX Runtime asks for, a space and (MODELS_DIR=…) exported networks → docs/results/memory.md (a minute, and 4 s per network)
	scripts/studies/memory.sh

.PHONY: search-study
search-study: build ## the search's claims and goals on published benchmarks → docs/results/search.md, search-goals.md (needs ../shared/data; ten minutes of one core or more, going on where it was)
	ISOCOST_STUDY="$$PWD/.study.md" $(GO) test ./search -run TestSearchStudy -count=1 -v
	@test -f .study.md || { echo "no public data: see docs/results/search.md"; exit 1; }
	scripts/studies/results.sh search 'make search-study' < .study.md && rm .study.md
	scripts/studies/search-goals.sh

.PHONY: studies
studies: build ## the comparisons on a published benchmark, going on where they were → docs/results/study-*.md (needs ../shared/data; an hour of one core)
	scripts/studies/study.sh $(patsubst studies/%.yaml,%,$(wildcard studies/nas-bench-macro*.yaml))

.PHONY: training-lengths
training-lengths: setup build ## trainings of three lengths on two data sets, as judges of networks of equal cost → docs/results/training-lengths.md (half an hour of one core; wants torch)
	scripts/studies/trainings.sh training-lengths

.PHONY: digits-hybrid
digits-hybrid: setup build ## convolution and attention, by training-free utilities and trained → docs/results/digits-hybrid.md (20 minutes; wants torch)
	scripts/studies/trainings.sh digits-hybrid

.PHONY: two-targets
two-targets: setup-test build ## two targets' tables, one search on both, a transfer → docs/results/two-targets.md (4 minutes)
	scripts/studies/two-targets.sh

.PHONY: torch-search
torch-search: setup build ## a whole search that trains its networks with PyTorch (PYTHON=…); docs/pytorch-search.md (10 minutes)
	scripts/torch-search.sh

.PHONY: marginal
marginal: setup ## marginal costs by frames and as slopes over copies, one campaign → docs/results/frames-and-chains.md (5 minutes; ISOCOST_SECONDS=… of measuring)
	ISOCOST_STUDY="$$PWD/.study.md" ISOCOST_SECONDS="$${ISOCOST_SECONDS:-240s}" $(GO) test ./cmd/agent -run TestFramesAgainstChains -count=1 -v
	scripts/studies/results.sh frames-and-chains 'make marginal' < .study.md && rm .study.md

.PHONY: bench
bench: setup-test build ## isocost beside what one would otherwise take, on this machine (POINTS=…) → docs/performance.md (the first time packages are installed beside the checkout)
	python="$$(scripts/setup-python.sh bench)" && "$$python" scripts/bench/bench.py $(POINTS)

.PHONY: bench-check
bench-check: setup-test build ## the same again (POINTS=…), held against docs/performance.json: fails where a ratio, a growth or a size is worse beyond the noise
	python="$$(scripts/setup-python.sh bench)" && "$$python" scripts/bench/bench.py --check $(POINTS)

.PHONY: runtimes
runtimes: setup-test build ## the runtimes' times in fp32 and int8, side by side → docs/results/runtimes-side-by-side.md (half a minute)
	scripts/studies/runtimes.sh

.PHONY: test
test: setup-test test-python-reading ## all tests, on the real runtimes
	@# Three packages at a time: many tests wait for a campaign of theirs to end.
	ISOCOST_REQUIRE_NATIVE=$(ISOCOST_REQUIRE_NATIVE) $(GO) test -p 3 -timeout 15m ./...

.PHONY: python
python: setup build ## a search over modules of your own, from PyTorch to best.onnx: docs/python.md (2 minutes; the first time 6 GB are installed beside the checkout)
	python="$$(scripts/setup-python.sh torch)" && ISOCOST_BIN="$$PWD/bin" PYTHONPATH="$$PWD/python" "$$python" python/examples/digits/run.py

.PHONY: test-python-reading
test-python-reading: build ## the Python package without torch: formats, protocol, numbers equal to the programs'
	python="$$(scripts/setup-python.sh test)" && cd python && ISOCOST_BIN="$$OLDPWD/bin" "$$python" -m pytest -m 'not torch and not ray'

.PHONY: test-python
test-python: setup build ## the Python package with torch and Ray: types, own modules, gradients, a cluster whose nodes die (2 minutes; the first time 6 GB are installed beside the checkout)
	python="$$(scripts/setup-python.sh torch)" && cd python && "$$python" -c 'import onnxruntime, pandas, ray, torch' && "$$python" -m mypy && ISOCOST_BIN="$$OLDPWD/bin" "$$python" -m pytest --durations=5

.PHONY: ray-overhead
ray-overhead: ## what trainings on Ray cost beside themselves, against a bare loop of Ray → docs/results/ray-overhead.md (3 minutes)
	python="$$(scripts/setup-python.sh torch)" && "$$python" scripts/studies/ray_overhead.py > .study.md
	scripts/studies/results.sh ray-overhead 'make ray-overhead' < .study.md && rm .study.md

.PHONY: python-requirements
python-requirements: ## pin the packages of python/requirements/*.in anew, by version and hash
	python="$$(scripts/setup-python.sh test)" && folder="$$(mktemp -d)" && "$$python" -m venv "$$folder" && "$$folder/bin/pip" install -q uv && \
		for kind in test torch bench; do "$$folder/bin/uv" pip compile --universal --upgrade --generate-hashes --no-annotate --no-header --no-emit-index-url \
			--no-emit-find-links --python-version 3.11 -o python/requirements/$$kind.txt python/requirements/$$kind.in; done; rm -r "$$folder"

.PHONY: test-fast
test-fast: setup ## what a change to Go code needs, in under a minute on two cores: all packages, without the tests that say "make test"
	ISOCOST_REQUIRE_NATIVE=onnxruntime $(GO) test -short -p 3 -timeout 5m ./...

.PHONY: golden
golden: setup-test ## rewrite every expected output from what the code does now; review it with git diff
	ISOCOST_REQUIRE_NATIVE=$(ISOCOST_REQUIRE_NATIVE) $(GO) test -timeout 40m \
		$$(grep -rl --include='*_test.go' '"github.com/isocost/isocost/internal/golden"' . | xargs -n 1 dirname | sort -u) -update

.PHONY: test-avx2
test-avx2: setup-test ## as on an x86 processor with AVX2 only, under emulation: the catalogue, every form of integer product and the demo's int8 families (wants qemu-user-static)
	scripts/test-avx2.sh

.PHONY: test-avx2-whole
test-avx2-whole: setup-test ## the same with every int8 model of the demo's plan (10 minutes)
	ISOCOST_EVERY_CELL=1 scripts/test-avx2.sh

.PHONY: test-tensorflow
test-tensorflow: ## build with TensorFlow (274 MB, set up here) and run its conformance suite, here and as on a processor with AVX2 alone
	flags="$$(scripts/setup-tensorflow.sh)" && CGO_LDFLAGS="$$flags" CGO_CFLAGS="-O2 -g -Wno-deprecated-declarations" TF_CPP_MIN_LOG_LEVEL=3 sh -ec '\
		$(GO) vet -tags tensorflow ./agent/tensorflow ./cmd/agent; \
		$(GO) test -tags tensorflow ./agent/tensorflow; \
		TF_ENABLE_ONEDNN_OPTS=0 ONEDNN_MAX_CPU_ISA=AVX2 $(GO) test -tags tensorflow ./agent/tensorflow; \
		scripts/test-avx2.sh tensorflow; \
		$(GO) build -tags tensorflow -o bin/agent-tensorflow ./cmd/agent; \
		bin/agent-tensorflow runtimes verify tensorflow'

.PHONY: runtimes-table
runtimes-table: setup-test test-tensorflow ## what each runtime really does, operator × precision → docs/results/runtimes.md (5 minutes)
	scripts/studies/runtimes-table.sh

.PHONY: race
race: setup-test ## the tests that share memory between goroutines, under the race detector (the others leave themselves out: internal/tier)
	ISOCOST_REQUIRE_NATIVE=$(ISOCOST_REQUIRE_NATIVE) $(GO) test -race -timeout 30m $(RACEFLAGS) $(RACE)

.PHONY: lint
lint: ## gofmt, vet, staticcheck, import laws, a build without cgo, licences
	@unformatted="$$(gofmt -l $$(git ls-files '*.go'))"; \
	if [ -n "$$unformatted" ]; then echo "gofmt -w these:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test ./internal/archtest
	CGO_ENABLED=0 $(GO) build ./...
	GOOS=android GOARCH=arm64 CGO_ENABLED=0 $(GO) build ./...
	scripts/vet-android.sh
	scripts/third-party.sh --check

.PHONY: vulnerabilities
vulnerabilities: ## known vulnerabilities in what the programs call, where Go's database answers
	scripts/vulnerabilities.sh

.PHONY: jetson-glibc
jetson-glibc: ## the jetson bundle on JetPack 5's glibc 2.31, under emulation (a minute; root)
	scripts/jetson-glibc.sh

.PHONY: link-android
link-android: ## the Android build to its end without an NDK, against the names that Android 7 has
	scripts/link-android.sh

.PHONY: clean
clean: ## remove what was built; .native/ stays
	rm -rf bin dist
