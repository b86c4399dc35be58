package ort

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/isocost/isocost/agent"
)

// missingLibrary finds the library in the loader's complaint.
var missingLibrary = regexp.MustCompile(`([\w.+-]+\.so[\w.]*): cannot open shared object file`)

// providerHint returns what to do about a provider that does not start, from the
// runtime's words: a missing driver, a driver without a device, one that is too
// old and a missing library have different cures.
func providerHint(name, text string) string {
	if name == "cuda" || name == "tensorrt" {
		if h := cudaHint(text); h != "" {
			return h
		}
	}
	if m := missingLibrary.FindStringSubmatch(text); m != nil {
		if strings.HasPrefix(m[1], "libonnxruntime_providers_") {
			return "this ONNX Runtime was shipped without its " + m[1] + ": name another one, that has it beside itself, with --ort-lib" + packageFor(name)
		}
		return "install " + m[1] + ", or add its folder to LD_LIBRARY_PATH"
	}
	switch {
	case strings.Contains(text, "offers no device"):
		if h := makers[name]; h != "" {
			return h
		}
		return "see the provider's own requirements: its devices, and their drivers"
	case strings.Contains(text, "WebGPU adapter"):
		return makers["webgpu"]
	}
	return "agent runtimes verify tells which providers start on this machine"
}

// makers says whose devices a provider drives.
var makers = map[string]string{
	"openvino": "the OpenVINO plugin takes Intel's processors and GPUs alone; ONNX Runtime with OpenVINO built in takes any x86 processor (scripts/setup-native.sh onnxruntime-openvino, then --ort-lib)",
	"qnn":      "QNN runs on Qualcomm's NPUs and GPUs, with the vendor's driver for them",
	"webgpu":   "it needs a GPU with a Vulkan driver (see vulkaninfo); on software Vulkan run scripts/setup-software-vulkan.sh and . .native/swiftshader.env",
}

// packageFor names the package of this repository's that has a provider.
func packageFor(name string) string {
	switch name {
	case "openvino":
		return " (scripts/setup-native.sh onnxruntime-openvino installs one)"
	case "cuda", "tensorrt":
		return " (scripts/setup-cuda.sh installs one)"
	}
	return ""
}

// cudaHint sorts the reasons for which CUDA does not start. Numbers are
// cudaError_t's: 35 cudaErrorInsufficientDriver, 100 cudaErrorNoDevice, 803
// cudaErrorSystemDriverMismatch, 804 cudaErrorCompatNotSupportedOnDevice.
func cudaHint(text string) string {
	if m := missingLibrary.FindStringSubmatch(text); m != nil {
		switch lib := m[1]; {
		case strings.HasPrefix(lib, "libonnxruntime_providers_"):
			return ""
		case strings.HasPrefix(lib, "libcuda.so"):
			return "the NVIDIA driver is missing (" + lib + " belongs to it, not to CUDA): install it and see that nvidia-smi answers"
		case strings.HasPrefix(lib, "libnvinfer"), strings.HasPrefix(lib, "libnvonnxparser"):
			return "TensorRT 10 is missing (" + lib + "): install it and add its folder to LD_LIBRARY_PATH, or use --provider cuda"
		default:
			return "a CUDA library is missing (" + lib + "): run scripts/setup-cuda.sh, which installs all of them"
		}
	}
	for _, c := range []struct{ has, hint string }{
		{"CUDA failure 35", "the NVIDIA driver is older than CUDA 13 needs: install driver 580 or newer"},
		{"driver version is insufficient", "the NVIDIA driver is older than CUDA 13 needs: install driver 580 or newer"},
		{"CUDA failure 100", "the driver is there but no GPU is: see that nvidia-smi lists one, and that the container was given it"},
		{"no CUDA-capable device", "the driver is there but no GPU is: see that nvidia-smi lists one, and that the container was given it"},
		{"CUDA failure 803", "the driver's kernel and user halves differ: reboot after its update"},
		{"CUDA failure 804", "the GPU is too old for this CUDA: take an ONNX Runtime built for an older one"},
		{"out of memory", "the GPU's memory is taken: see nvidia-smi for by whom"},
	} {
		if strings.Contains(text, c.has) {
			return c.hint
		}
	}
	return ""
}

// runError marks what the runtime finds out only when it runs: that a device
// lacks what a kernel needs ("Program Gemm requires f16 but the device does not
// support it"). Any other error of a run stays a failure.
func runError(err error) error {
	text := strings.ToLower(err.Error())
	for _, words := range []string{"does not support", "not supported", "unsupported", "not_implemented", "not implemented"} {
		if strings.Contains(text, words) {
			return fmt.Errorf("%w: %w", agent.ErrUnsupported, err)
		}
	}
	return err
}
