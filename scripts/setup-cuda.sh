#!/bin/sh
# Installs ONNX Runtime with the CUDA and TensorRT providers, and the CUDA 13 libraries they need (1.5 GB to fetch, 2.5 GB on
# disk), into .native/linux-amd64/onnxruntime-cuda/. The NVIDIA driver and TensorRT are the machine's own.
#   scripts/setup-cuda.sh && scripts/cuda-check.sh
set -eu
exec "$(dirname "$0")/setup-native.sh" --platform linux-amd64 onnxruntime-cuda
