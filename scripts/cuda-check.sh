#!/bin/sh
# The one command to run on a CUDA machine: says what is there and what is missing – driver, libraries, providers – and runs the
# backend's conformance suite on the GPU. Exit code 0: CUDA works; 1: it does not, and the last lines say why and what to do.
set -u
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin # ldconfig's, which a user's lacks
say() { printf '%-10s %s\n' "$1" "$2"; }

lib=${ISOCOST_ONNXRUNTIME_CUDA:-.native/linux-amd64/onnxruntime-cuda}
if [ ! -e "$lib" ]; then
	say library "no $lib"
	echo "cuda-check: error: ONNX Runtime with CUDA is not installed" >&2
	echo "cuda-check: hint: run scripts/setup-cuda.sh, or name a build of your own in ISOCOST_ONNXRUNTIME_CUDA" >&2
	exit 1
fi
case $lib in /*) ;; *) lib=$(pwd)/$lib ;; esac
say library "$lib"
if command -v nvidia-smi >/dev/null 2>&1; then
	nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>&1 | while read -r line; do say gpu "$line"; done
else
	say gpu "no nvidia-smi: the NVIDIA driver's tools are not installed"
fi
if ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1'; then
	say driver "libcuda.so.1 is there"
else
	say driver "no libcuda.so.1: the NVIDIA driver is missing"
fi

go build -o bin/agent ./cmd/agent || exit 1
ISOCOST_ONNXRUNTIME_CUDA="$lib" bin/agent runtimes verify onnxruntime-cuda
works=$?
if [ $works -ne 0 ]; then
	exit 1
fi
ISOCOST_ONNXRUNTIME="$lib" ISOCOST_REQUIRE_CUDA=1 go test -count=1 -v -run '^TestCUDA$' ./agent/ort || exit 1
echo "cuda-check: the CUDA provider passes the conformance suite on this GPU"
