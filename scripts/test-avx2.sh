#!/usr/bin/env bash
# test-avx2.sh: as on an x86 processor with AVX2 but neither AVX-512 nor VNNI, which many in use are: every model of
# the catalogue runs on ONNX Runtime and agrees with the reference, every form of an integer product is wrong only where
# agent bench warns of it, and a cell of each int8 family of the demo's plan agrees with fp32. The processor is qemu's
# Haswell; what the tests compile to runs in it, with this machine's libraries.
#
#   scripts/test-avx2.sh tensorflow   # a few chains on TensorFlow instead, with oneDNN and without (make test-tensorflow)
#
# Fails when the emulator is absent, when no test ran, and when the processor is not the one meant. TensorFlow's chains
# are left out where there is no emulator, unless ISOCOST_REQUIRE_NATIVE=1.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
	echo "test-avx2: $1" >&2
	echo "hint: $2" >&2
	exit 1
}

if ! qemu=$(command -v qemu-x86_64-static || command -v qemu-x86_64); then
	if [ "${1:-}" = tensorflow ] && [ "${ISOCOST_REQUIRE_NATIVE:-}" != 1 ]; then
		echo "test-avx2: skipped: no qemu-x86_64 (apt-get install qemu-user-static)" >&2
		exit
	fi
	fail "no qemu-x86_64" "apt-get install qemu-user-static"
fi
# Without what qemu's translator lacks it says so at every start.
cpu=Haswell-noTSX,-pcid,-x2apic,-tsc-deadline,-invpcid
log=$(mktemp)
trap 'rm -f "$log"' EXIT

tags=
# as_on_avx2 PACKAGE TESTS: runs these tests of a package; every one named must have passed.
as_on_avx2() {
	local package=$1 test
	shift
	ISOCOST_REQUIRE_NATIVE=onnxruntime go test -tags "$tags" -count=1 -timeout 15m -exec "$qemu -cpu $cpu" -v \
		-run "^($(IFS='|' && echo "$*"))\$" "$package" >"$log" 2>&1 || {
		grep -v -e '^ *--- PASS' -e '^=== ' "$log" >&2
		fail "$package fails as on a processor with AVX2 only" "as there: go test -tags '$tags' -exec '$qemu -cpu $cpu' $package -run '$(IFS='|' && echo "$*")'"
	}
	for test in "$@"; do
		grep -q "^--- PASS: $test " "$log" || fail "$test of $package did not run" "ISOCOST_REQUIRE_NATIVE=1 scripts/setup-native.sh onnxruntime"
	done
	echo "$package: $(grep -c '^ *--- PASS' "$log") passed as on a processor with AVX2 only"
}

if [ "${1:-}" = tensorflow ]; then # with the flags of scripts/setup-tensorflow.sh in CGO_LDFLAGS
	tags=tensorflow
	TF_ENABLE_ONEDNN_OPTS=0 ISOCOST_TEST_PROCESSOR="onednn=off isa=AVX2" as_on_avx2 ./agent/tensorflow TestChainsOnThisProcessor
	TF_ENABLE_ONEDNN_OPTS=1 ISOCOST_TEST_PROCESSOR="onednn=on isa=AVX2" as_on_avx2 ./agent/tensorflow TestChainsOnThisProcessor
	exit
fi

features=$(go run -exec "$qemu -cpu $cpu" ./cmd/agent device --json --probe 0 | python3 -c 'import json, sys; print(*json.load(sys.stdin)["identity"]["features"])')
[ "$features" = "avx2 fma f16c" ] || fail "the emulated processor has $features" "it must have avx2 fma f16c and no more"

as_on_avx2 ./benchmarks TestModelsOnONNXRuntime
as_on_avx2 ./agent/ort TestSaturationIsKnown TestFeatures
as_on_avx2 ./cmd/agent TestDemoInt8IsRight TestRulesAgreeWithRuntime
