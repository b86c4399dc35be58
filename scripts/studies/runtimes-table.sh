#!/bin/sh
# Runs every operator of the catalogue in every precision on every runtime and provider that works here, compares it with the
# reference, and writes what is native, emulated and unsupported into docs/results/runtimes.md. Set up here: ONNX Runtime, its WebGPU
# plugin, OpenVINO, both TensorFlow Lite libraries, TensorFlow, and a software Vulkan driver.
#   make runtimes-table
set -eu
cd "$(dirname "$0")/../.."
agent=bin/agent-tensorflow
platform=$(go env GOOS)-$(go env GOARCH)
webgpu=.native/$platform/onnxruntime-webgpu/libonnxruntime_providers_webgpu.so
set -- --lane ort:cpu --lane litert:cpu --lane litert:builtin --lane tflite:cpu --lane tensorflow:cpu
if [ -f .native/swiftshader.env ]; then
	. .native/swiftshader.env
	set -- "$@" --lane ort:webgpu --ep-library "webgpu=$webgpu" --lane litert:gpu
else
	echo "runtimes-table: no software Vulkan driver: the GPU providers are left out (scripts/setup-software-vulkan.sh)" >&2
fi
table=$(mktemp)
trap 'rm -f "$table" "$table.openvino"' EXIT
rc=0
TF_CPP_MIN_LOG_LEVEL=3 $agent compare --support --markdown "$@" >"$table" || rc=$?
if [ "$rc" != 0 ] && [ "$rc" != 3 ]; then # 3: a lane is wrong somewhere, which the table says
	exit "$rc"
fi
# OpenVINO comes with an ONNX Runtime of its own, and a process loads one.
openvino=.native/$platform/onnxruntime-openvino
if [ -d "$openvino" ]; then
	rc=0
	echo >>"$table"
	$agent compare --support --markdown --ort-lib "$openvino" --lane ort:cpu --lane ort:openvino >"$table.openvino" || rc=$?
	[ "$rc" = 0 ] || [ "$rc" = 3 ] || exit "$rc"
	sed 's/| ort:cpu | ort:openvino |/| ort:cpu of that library | ort:openvino |/' "$table.openvino" >>"$table"
fi
{
	echo "# What each runtime really does"
	echo
	echo "On $platform: every operator of the catalogue, run and compared with the reference interpreter, GPU lanes on software"
	echo "Vulkan. Operators without weights run int8dyn and int8w in floating point (emulated). TensorFlow's bf16 depends on the"
	echo "processor, here $(grep -o -m1 -E 'avx512_bf16|amx_bf16|\bbf16\b' /proc/cpuinfo || echo "one without bf16 arithmetic"). Vulkan's sines and cosines are good to 2⁻¹¹, beyond fp32's tolerance."
	echo
	cat "$table"
} | scripts/studies/results.sh runtimes "make runtimes-table"
echo "runtimes-table: docs/results/runtimes.md" >&2
