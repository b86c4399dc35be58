package ort

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/isocost/isocost/agent"
)

// missingLibrary finds the library in the loader's complaint.
var missingLibrary = regexp.MustCompile(`([\w.+-]+\.so[\w.]*): cannot open shared object file`)

// providerHint is what to do about a provider that does not start, from the
// runtime's words: a missing driver, a driver without a device, one that is too
// old and a missing library have different cures.
func providerHint(name, text string) string {
	if name == "cuda" || name == "tensorrt" {
		if h := cudaHint(text); h != "" {
			return h
		}
	}
	if m := missingLibrary.FindStringSubmatch(text); m != nil {
		return "install " + m[1] + ", or add its folder to LD_LIBRARY_PATH"
	}
	return "agent runtimes verify tells which providers start on this machine"
}

// cudaHint sorts the reasons for which CUDA does not start. Numbers are
// cudaError_t's: 35 cudaErrorInsufficientDriver, 100 cudaErrorNoDevice, 803
// cudaErrorSystemDriverMismatch, 804 cudaErrorCompatNotSupportedOnDevice.
func cudaHint(text string) string {
	if m := missingLibrary.FindStringSubmatch(text); m != nil {
		switch lib := m[1]; {
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
