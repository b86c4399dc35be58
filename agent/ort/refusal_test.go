package ort

import (
	"errors"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
)

// The texts are ONNX Runtime's and the loader's own, shortened in front.
func TestProviderHint(t *testing.T) {
	for _, c := range []struct{ provider, text, want string }{
		{"cuda", "Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared object file: No such file or directory", "setup-cuda.sh"},
		{"cuda", "Failed to load library libonnxruntime_providers_cuda.so with error: libcuda.so.1: cannot open shared object file: No such file or directory", "driver is missing"},
		{"tensorrt", "error: libnvinfer.so.10: cannot open shared object file: No such file or directory", "TensorRT 10 is missing"},
		{"cuda", "CUDA failure 100: no CUDA-capable device is detected ; GPU=-1", "no GPU is"},
		{"cuda", "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version", "driver 580"},
		{"openvino", "libopenvino.so.2500: cannot open shared object file: No such file or directory", "install libopenvino.so.2500"},
		{"cuda", "Failed to load shared library (libonnxruntime_providers_shared.so: cannot open shared object file: No such file or directory)", "setup-cuda.sh installs one"},
		{"openvino", "libonnxruntime_providers_openvino.so: cannot open shared object file: No such file or directory", "onnxruntime-openvino installs one"},
		{"openvino", "the plugin x.so offers no device on this machine; ONNX Runtime sees here cpu AMD", "Intel's"},
		{"qnn", "the plugin x.so offers no device on this machine; ONNX Runtime sees here cpu ARM", "Qualcomm"},
		{"mine", "the plugin x.so offers no device on this machine", "own requirements"},
		{"webgpu", "Failed to get a WebGPU adapter: No supported adapters", "Vulkan driver"},
		{"qnn", "something else", "agent runtimes verify"},
	} {
		if got := providerHint(c.provider, c.text); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q\n got %q, want %q", c.provider, c.text, got, c.want)
		}
	}
}

func TestRunError(t *testing.T) {
	for text, unsupported := range map[string]bool{
		"shader_helper.cc:416 GenerateSourceCode Program Gemm requires f16 but the device does not support it.": true,
		"Non-zero status code returned while running Add node. Status Message: out of memory":                   false,
	} {
		if err := runError(errors.New(text)); errors.Is(err, agent.ErrUnsupported) != unsupported || !strings.Contains(err.Error(), text) {
			t.Errorf("%v; want unsupported %v", err, unsupported)
		}
	}
}
