// Package ort runs ONNX models with ONNX Runtime: the backend "ort".
//
// The library is loaded at run time through github.com/yalue/onnxruntime_go, with
// a small cgo shim on the same library for what that binding lacks: symbolic
// dimensions, available and plugin providers, placement, allocator statistics and
// a run call that allocates nothing.
//
// The package does not time anything, and never measures in a session that
// profiles or records placement: those are second sessions (Placement, Profile).
// A model is never run partly elsewhere: for every provider but cpu the runtime's
// own fallback to the CPU is switched off, and a model that needs it is refused
// with agent.ErrFallback.
package ort

import (
	"fmt"
	"strings"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/nativelib"
)

// Name is the backend's name in records and flags.
const Name = "ort"

// Config says which library to load and what to add to it.
type Config struct {
	// Library is the path of libonnxruntime, or a folder holding it; "" searches
	// (see nativelib).
	Library string
	// EPLibraries are plugin execution providers: the name they are asked for by
	// (Options.Provider) → library path.
	EPLibraries map[string]string
	Search      nativelib.Search
}

// Backend is ONNX Runtime. One process loads one library: a second Backend with
// another path fails to load.
type Backend struct {
	cfg Config
}

// New returns the backend; nothing is loaded before it is used.
func New(cfg Config) *Backend { return &Backend{cfg} }

var (
	_ agent.Backend         = (*Backend)(nil)
	_ agent.Placer          = (*Backend)(nil)
	_ agent.Profiler        = (*Backend)(nil)
	_ agent.ExecutionProver = (*Backend)(nil)

	_ agent.AcceleratorLister = (*Backend)(nil)
	_ agent.FeatureTeller     = (*Backend)(nil)
)

// providers maps the names users give to the runtime's own.
var providers = map[string]string{
	"cpu":      "CPUExecutionProvider",
	"xnnpack":  "XnnpackExecutionProvider",
	"nnapi":    "NnapiExecutionProvider",
	"qnn":      "QNNExecutionProvider",
	"cuda":     "CUDAExecutionProvider",
	"tensorrt": "TensorrtExecutionProvider",
	"webgpu":   "WebGpuExecutionProvider",
	"coreml":   "CoreMLExecutionProvider",
	"openvino": "OpenVINOExecutionProvider",
	"acl":      "ACLExecutionProvider",
	"dnnl":     "DnnlExecutionProvider",
	"rocm":     "ROCMExecutionProvider",
	"migraphx": "MIGraphXExecutionProvider",
	"dml":      "DmlExecutionProvider",
}

// shortProvider is the user's name of a provider, or the runtime's where we have none.
func shortProvider(long string) string {
	for short, l := range providers {
		if l == long {
			return short
		}
	}
	return long
}

// genericProviders are appended by name with string options
// (SessionOptionsAppendExecutionProvider); the value is the name that call takes.
var genericProviders = map[string]string{
	"xnnpack": "XNNPACK",
	"qnn":     "QNN",
	"webgpu":  "WebGPU",
	"coreml":  "CoreML",
}

// ParseEPLibrary reads the value of --ep-library, NAME=PATH.
func ParseEPLibrary(value string) (name, path string, err error) {
	name, path, ok := strings.Cut(value, "=")
	if !ok || name == "" || path == "" {
		return "", "", fmt.Errorf("--ep-library %q is not NAME=PATH", value)
	}
	return name, path, nil
}
