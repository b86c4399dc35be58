#!/bin/sh
# build-agent.sh TARGET: builds the agent for a device and packs it with its native libraries,
# licences and a manifest into dist/agent-TARGET/.
#
#   linux-amd64    x86 hosts and servers
#   linux-arm64    Raspberry Pi and other 64-bit ARM boards
#   jetson         as linux-arm64; --target prefers it on a Jetson. CUDA and TensorRT come from
#                  JetPack's own ONNX Runtime: see docs/devices.md
#   android-arm64  phones, API 24 and later; needs ANDROID_NDK_HOME, or CC_ANDROID with the path of a
#                  clang that compiles for aarch64-linux-android24
#
# The ARM builds run on glibc 2.31 (JetPack 5, Ubuntu 20.04) and later; the manifest states what
# each part needs. Exit codes: 0 done, 1 failed, 2 wrong use.
set -eu
cd "$(dirname "$0")/.."

fail() { # fail MESSAGE HINT
	echo "build-agent: error: $1" >&2
	echo "build-agent: hint: $2" >&2
	exit 1
}
usage() {
	sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0" >&2
	exit 2
}
[ $# -eq 1 ] || usage

target=$1
version=${VERSION:-$(git describe --always --dirty 2>/dev/null || echo dev)}
cflags="-O2 -Wno-deprecated-declarations" # go-nvml binds functions that NVIDIA deprecates
ldflags="-s -w -X main.version=$version"
tags=netgo,osusergo # no C resolver: one binary for every distribution
extld=
old=
# Compilers' flags are lists parted by blanks: what is named in them is named below a folder
# without one, wherever this copy and TMPDIR are.
case ${TMPDIR:-} in *" "*) unset TMPDIR ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ln -s "$(pwd)" "$work/root"
export CGO_CFLAGS="-O2 -g -Wno-deprecated-declarations" # of what runs here, as in the Makefile
root=$work/root

case $target in
linux-amd64)
	os=linux arch=amd64 runtimes=onnxruntime,litert,tflite cc=${CC:-cc}
	if [ "$(go env GOHOSTARCH)" != amd64 ]; then cc=${CC:-x86_64-linux-gnu-gcc}; fi
	command -v "$cc" >/dev/null || fail "no C compiler $cc" "apt-get install gcc"
	;;
linux-arm64 | jetson)
	os=linux arch=arm64 runtimes=onnxruntime,litert,tflite cc=${CC_ARM64:-aarch64-linux-gnu-gcc}
	command -v "$cc" >/dev/null || fail "no C compiler $cc" \
		"apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross, or name one in CC_ARM64"
	# Old symbol versions, so that the agent runs on an older glibc than the compiler's: see
	# scripts/glibc-2.17/ and docs/decisions/0601-old-glibc.md.
	"$cc" -O2 -fno-stack-protector -c scripts/glibc-2.17/start.c -o "$work/start.o"
	cflags="$cflags -include $root/scripts/glibc-2.17/versions.h"
	extld="-nostartfiles $work/start.o -Wl,--no-as-needed -l:libpthread.so.0 -l:libdl.so.2 -Wl,--as-needed"
	old="--max-glibc 2.31 --old-glibc onnxruntime,tflite" # LiteRT needs 2.34; the classic library stands in
	;;
android-arm64)
	os=android arch=arm64 runtimes=onnxruntime,tflite,tflite-gpu cc=${CC_ANDROID:-}
	if [ -z "$cc" ] && [ -n "${ANDROID_NDK_HOME:-}" ]; then
		for bin in "$ANDROID_NDK_HOME"/toolchains/llvm/prebuilt/*/bin/aarch64-linux-android24-clang; do cc=$bin; done
	fi
	if [ -n "$cc" ] && ! command -v "$cc" >/dev/null; then cc= named=" (ANDROID_NDK_HOME or CC_ANDROID names none that runs)"; fi
	case $cc in *" "*) # the NDK's wrapper finds its clang beside itself, so that the folder is linked
		ln -s "$(dirname "$cc")" "$work/ndk"
		cc=$work/ndk/$(basename "$cc")
		;;
	esac
	extld="-Wl,-z,max-page-size=16384" # phones with 16 KiB pages
	;;
-h | --help) usage ;;
*) echo "build-agent: error: unknown target $target" >&2; usage ;;
esac

# Runtimes, by the package client, unless they are here.
for rt in $(echo $runtimes | tr , ' '); do
	[ -n "$(ls ".native/$os-$arch/$rt" 2>/dev/null)" ] || scripts/setup-native.sh --platform "$os-$arch" "$rt"
done

if [ -z "$cc" ]; then # Android without an NDK: all that can be known without one, then the refusal
	echo "build-agent: checking the runtimes, and that the Go code compiles for $os/$arch without cgo" >&2
	go run ./cmd/agent bundle --os $os --arch $arch --runtime "$runtimes" --check-runtimes
	CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -trimpath -tags "$tags" -o "$work/agent" ./cmd/agent
	fail "no C compiler for Android${named:-}; the runtimes are ready in .native/$os-$arch, the agent is not, and nothing was packed" \
		"install the NDK (sdkmanager 'ndk;27.2.12479018', or developer.android.com/ndk/downloads) and set ANDROID_NDK_HOME, or name a clang in CC_ANDROID; then run this again"
fi

echo "build-agent: compiling the agent for $os/$arch" >&2
buildmode=
[ $os = android ] && buildmode=-buildmode=pie # Android refuses anything else
CGO_ENABLED=1 GOOS=$os GOARCH=$arch CC="$cc" CGO_CFLAGS="$cflags" \
	go build -trimpath $buildmode -tags "$tags" \
	-ldflags "$ldflags -linkmode external -extldflags '$extld'" -o "$work/agent" ./cmd/agent

# Licences of the Go modules in the agent.
mkdir "$work/licences"
cp LICENSE "$work/licences/isocost.txt"
cp "$(go env GOROOT)/LICENSE" "$work/licences/go.txt" 2>/dev/null || true
go version -m "$work/agent" | awk '$1 == "dep" { print $2 }' | while read -r module; do
	dir=$(go list -m -f '{{.Dir}}' "$module")
	for f in "$dir"/LICENSE* "$dir"/LICENCE* "$dir"/COPYING* "$dir"/NOTICE*; do
		if [ -f "$f" ]; then cat "$f"; fi
	done >"$work/licences/$(echo "$module" | tr / -).txt"
done

# The program that packs is this machine's own build.
go run ./cmd/agent bundle --os $os --arch $arch --name "$target" --agent "$work/agent" --agent-version "$version" \
	--runtime "$runtimes" --licences "$work/licences" $old -o "${DIST:-dist}"
