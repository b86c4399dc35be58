package agent

import (
	"context"
	"errors"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// ErrUnsupported is wrapped by Backend.Open when the runtime, not isocost,
// rejects the model or the provider cannot run it: the case is recorded as
// unsupported and the campaign goes on.
var ErrUnsupported = errors.New("not supported by the runtime")

// ErrFallback is wrapped by Backend.Open when the provider asked for would run
// only part of the model and the rest would fall to another one: the case is
// recorded as fallback, never as a number.
var ErrFallback = errors.New("part of the model would run on another provider")

// Backend is one runtime: ONNX Runtime, TensorFlow Lite, TensorFlow or the
// simulated device. A backend is used by one goroutine at a time and must pass
// agent/backendtest.
type Backend interface {
	// Info says which library answers. It loads the library; an error names the
	// file and the cure (hint.Of).
	Info() (Info, error)
	// Open prepares a model for repeated runs. It fails with ErrUnsupported when
	// the runtime rejects the model, and never falls back to another provider
	// silently.
	Open(ctx context.Context, model Model, opt Options) (Session, error)
}

// Info identifies a runtime library.
type Info struct {
	Backend   string   `json:"backend"`
	Version   string   `json:"version"`
	Path      string   `json:"path"`
	SHA256    string   `json:"sha256"`
	Providers []string `json:"providers"` // that the library was built with
	Format    Format   `json:"format"`    // of the models it opens
	// Features are parts of the library that are on in this process and choose its kernels,
	// "NAME=VALUE" separated by a space; "" for one that has no such choice.
	Features string `json:"features,omitempty"`
}

// Format is the form in which a runtime takes models.
type Format string

// The formats.
const (
	FormatONNX          Format = "onnx"
	FormatTFLite        Format = "tflite"
	FormatTFLiteClassic Format = "tflite-classic" // for the classic C library
	FormatGraph         Format = "graph"          // the neutral graph: nothing is written
	FormatChain         Format = "chain"          // keyed operators: nothing is built
)

// Model is a model ready to open: the bytes of the backend's format, or a path
// for a model with external data; Graph is the neutral form where it is known
// (the tensorflow and sim backends build from it).
type Model struct {
	Name  string
	ID    string
	Bytes []byte
	Path  string
	Graph *graph.Graph
	// Chain is the model as keyed operators, where the plan gave it as such (the sim
	// backend prices operators).
	Chain benchmarks.Chain
	Dims  map[string]int // values of symbolic dimensions
	// Large are the largest constants in Bytes, by name: a backend may keep those that several
	// of its sessions hold alike once.
	Large []Tensor
	// Signature enters a .tflite model that has several; "" is the first.
	Signature string
}

// Options say how a model is run.
type Options struct {
	Provider        string            // cpu, xnnpack, cuda…
	ProviderOptions map[string]string // passed through by name
	Threads         int               // intra-op; ≥ 1
	// Transfers includes host–device copies in Run when true.
	Transfers bool
	Seed      uint64 // of synthesised inputs
	// CountMemory asks for a session whose every block of memory is counted, to the
	// byte, where the runtime allows it: its MemoryStats then say FromRequests. Such a
	// session is slower and never timed. A backend that cannot count ignores it.
	CountMemory bool
	// Inputs overrides synthesised inputs: name → raw little-endian elements with
	// the declared type and shape.
	Inputs map[string]Tensor
}

// Session is an open model. Run executes one whole inference and returns when
// its results are ready; nothing but the inference happens in it, so that the
// harness may time it from outside.
type Session interface {
	Run() error
	Close() error
}

// OutputReader is implemented by sessions that can hand back what Run computed,
// for the numeric check.
type OutputReader interface {
	// Outputs returns the outputs of the last Run, in declaration order.
	Outputs() ([]Tensor, error)
}

// Placement is proof of where a model's nodes run.
type Placement struct {
	Nodes []PlacedNode `json:"nodes"`
}

// PlacedNode is one node of the optimised graph and the provider that owns it.
type PlacedNode struct {
	Name     string `json:"name"`
	Op       string `json:"op"`
	Provider string `json:"provider"`
}

// Placer is implemented by backends that can prove placement. It opens its own
// session: never the timed one. Its errors say that they are about placement, and of what.
type Placer interface {
	Placement(ctx context.Context, model Model, opt Options) (Placement, error)
}

// ProviderChecker is implemented by backends that can tell without a model whether a
// provider and its options can be had on this machine.
type ProviderChecker interface {
	// CheckProvider's error is of the provider, whatever the model: a library that
	// lacks it, a plugin without a device, an unknown option. hint.Of has the cure.
	CheckProvider(opt Options) error
}

// FeatureTeller is implemented by backends that must run something to tell Info.Features.
type FeatureTeller interface {
	// Features are those with which models run that are opened with opt.
	Features(ctx context.Context, opt Options) (string, error)
}

// MemoryStats are the figures of a runtime's allocator, or of the process's, in bytes.
type MemoryStats struct {
	InUse    int64 `json:"in_use_bytes"`
	MaxInUse int64 `json:"max_in_use_bytes"`
	// Source says who counted: FromAllocator or FromHeap; "" is the former.
	Source record.MemorySource `json:"source,omitempty"`
}

// Sources of MemoryStats.
const (
	FromAllocator = record.Allocator
	FromRequests  = record.Requests
	FromHeap      = record.Heap
)

// MemoryReporter is implemented by sessions whose runtime has allocator statistics.
type MemoryReporter interface {
	MemoryStats() (MemoryStats, error)
}

// Optimiser is implemented by backends that can show a model as the runtime runs it:
// an ONNX file of fused kernels in the order in which they run. It opens a session of
// its own: never the timed one.
type Optimiser interface {
	Optimised(ctx context.Context, model Model, opt Options) ([]byte, error)
}

// TensorType is the element type (numpy's name) and shape of a kernel's input or output.
type TensorType struct {
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
}

// KernelTime is one kernel of a profiled run, in execution order. In and Out are
// empty where the runtime does not tell them.
type KernelTime struct {
	Name     string       `json:"name"`
	Op       string       `json:"op"`
	Provider string       `json:"provider,omitempty"`
	In       []TensorType `json:"in,omitempty"`
	Out      []TensorType `json:"out,omitempty"`
	US       float64      `json:"us"`
}

// Profiler is implemented by backends that can profile. Profiled times say which
// kernels ran and their share; they are never a latency.
type Profiler interface {
	Profile(ctx context.Context, model Model, opt Options, runs int) ([]KernelTime, error)
}

// Modes of execution of a precision.
const (
	Native   = record.Native
	Emulated = record.Emulated
)

// Execution says how the arithmetic of a model ran, and by what evidence.
type Execution struct {
	Mode record.Execution `json:"mode"`
	Why  string           `json:"why"`
}

// ExecutionProver is implemented by backends that can tell from the kernels that
// really ran, not from the model's types, whether a precision is native. It opens
// a session of its own: never the timed one.
type ExecutionProver interface {
	Execution(ctx context.Context, model Model, opt Options, precision lut.Precision) (Execution, error)
}

// Accelerator is a device a runtime's provider can run on, as the runtime itself
// describes it.
type Accelerator struct {
	Provider string `json:"provider"`           // the user's name
	Vendor   string `json:"vendor,omitempty"`   // of the provider
	Version  string `json:"version,omitempty"`  // of the provider
	Type     string `json:"type"`               // cpu, gpu, npu
	Hardware string `json:"hardware,omitempty"` // its maker
	ID       string `json:"id,omitempty"`       // PCI vendor:device in hexadecimal
	// Software is true when the runtime says that the CPU computes in the device's
	// name: its times mean nothing for any GPU.
	Software bool `json:"software,omitempty"`
}

// AcceleratorLister is implemented by backends whose runtime knows its devices.
type AcceleratorLister interface {
	Accelerators() ([]Accelerator, error)
}

// BackendSpec says how to make and drive a backend; it crosses to the child.
type BackendSpec struct {
	Name            string            `json:"name"` // ort, tflite, tensorflow, sim
	Provider        string            `json:"provider"`
	ProviderOptions map[string]string `json:"provider_options,omitempty"`
	// Config holds what the constructor needs: library paths, plugin providers, the
	// simulated device's file. Its meaning is the backend's own.
	Config map[string]string `json:"config,omitempty"`
	// PlanDir is the folder to which the plan's model files are relative.
	PlanDir string `json:"plan_dir,omitempty"`
	// Inputs are files that override synthesised inputs: name → .npy path.
	Inputs map[string]string `json:"inputs,omitempty"`
}
