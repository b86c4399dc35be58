#!/bin/sh
# Installs TensorFlow's library (linux amd64 and arm64; 280 MB to fetch, 900 MB on disk) into .native/<platform>/tensorflow/ and makes of it the
# libtensorflow.so that the Go binding links against. Prints the linker flags a build with -tags tensorflow needs.
#   export CGO_LDFLAGS="$(scripts/setup-tensorflow.sh)"; go build -tags tensorflow ./cmd/agent
set -eu
cd "$(dirname "$0")/.."
case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) arch=$(uname -m) ;;
esac
platform="$(uname -s | tr '[:upper:]' '[:lower:]')-$arch"
if [ -n "${ISOCOST_TENSORFLOW:-}" ]; then
	dir=$ISOCOST_TENSORFLOW
	[ -d "$dir" ] || dir=$(dirname "$dir")
else
	scripts/setup-native.sh tensorflow
	dir=.native/$platform/tensorflow
fi
dir=$(cd "$dir" && pwd)
if [ ! -e "$dir/libtensorflow_cc.so.2" ]; then
	echo "setup-tensorflow: error: $dir holds no libtensorflow_cc.so.2" >&2
	echo "setup-tensorflow: hint: name the folder of TensorFlow's libraries in ISOCOST_TENSORFLOW, or leave it out" >&2
	exit 1
fi
if [ ! -e "$dir/libtensorflow.so" ] || [ scripts/tensorflow-shim.c -nt "$dir/libtensorflow.so" ]; then
	# --no-as-needed: the shim itself needs little of the libraries it stands for.
	${CC:-cc} -shared -fPIC -O2 -o "$dir/libtensorflow.so.part" scripts/tensorflow-shim.c \
		-Wl,-soname,libtensorflow.so -Wl,-rpath,'$ORIGIN' -Wl,--no-as-needed -L"$dir" -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2
	mv "$dir/libtensorflow.so.part" "$dir/libtensorflow.so"
fi
echo "-L$dir -Wl,-rpath,$dir -Wl,--allow-shlib-undefined -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2"
