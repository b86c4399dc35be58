#!/bin/sh
# vet-android.sh: go vet of every package for Android, tests and cgo files included, without an NDK:
# an ARM compiler for Linux reads the C files, with the one Android header that Go's runtime asks for.
# It proves that the sources fit Android's build tags; only the NDK can link them.
# Where that compiler is missing, the files without cgo are vetted and a line says so.
set -eu
cd "$(dirname "$0")/.."
export GOOS=android GOARCH=arm64
cc=${CC_ANDROID_VET:-aarch64-linux-gnu-gcc}
if ! command -v "$cc" >/dev/null; then
	echo "vet-android: no $cc (apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross): without the cgo files" >&2
	# The tests of benchmarks use a runtime and need cgo.
	CGO_ENABLED=0 exec go vet $(CGO_ENABLED=0 go list ./... | grep -v '/benchmarks$')
fi
# -O0: nothing runs. The two tags are build-agent.sh's.
CGO_ENABLED=1 CC=$cc CGO_CFLAGS="-O0 -Wno-deprecated-declarations '-I$(pwd)/scripts/android-vet'" \
	exec go vet -tags netgo,osusergo ./...
