// Package tflite runs .tflite models: the backend "tflite", with two libraries
// behind it. LiteRT's CompiledModel API (libLiteRt.so) is the default on linux;
// the classic TensorFlow Lite C API (libtensorflowlite_c.so) serves Android, older
// hosts and external delegates. Which of the two a library is, its symbols tell.
// Nothing is linked: both are loaded with dlopen.
//
// Providers:
//
//	cpu       the CPU as deployed: XNNPACK, and the library's own kernels for what
//	          XNNPACK does not take (Placement says which)
//	xnnpack   XNNPACK alone; a model it cannot run whole is refused
//	builtin   the library's own kernels alone
//	gpu       LiteRT's WebGPU accelerator, or the classic GPU delegate; whole or refused
//	delegate  classic only: an external delegate, whole or refused; the provider
//	          option library names it, all other options go to it
//
// Provider options: fp16=1 (cpu, xnnpack) forces floating point to half precision,
// which is the default for models built in it on a CPU that has the arithmetic;
// precision=fp16 (gpu).
//
// The runtimes ignore options they do not know, so nothing is taken on trust: the
// threads a session started are counted, where its nodes run is read back, and
// forced half precision must show in the results. An option without effect is an
// error, never a number under a false name.
//
// Memory is measured as the growth of the process's heap while a session was opened and first run
// (malloc); the classic library's own kernels report their arenas instead (allocator).
//
// Tensors have the model's own layout. Where Model.Graph is known (the model was
// written by benchmarks/tflitewriter), inputs and outputs are the graph's: four
// dimensions are N,C,H,W here and N,H,W,C in the file.
package tflite

import (
	"fmt"
	"maps"
	"slices"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/nativelib"
)

// Name is the backend's name in records and flags.
const Name = "tflite"

// The two kinds of library, as nativelib's manifest calls them.
const (
	LiteRT  = "litert"
	Classic = "tflite"
)

// Config says which library to load.
type Config struct {
	// Library is the path of the library, or a folder holding it; "" searches.
	Library string
	// Prefer is LiteRT or Classic: which to search for. "" takes LiteRT, and the
	// classic library where there is no LiteRT or the system is too old for it.
	Prefer string
	// GPULibrary is the classic GPU delegate's library; "" looks for tflite-gpu.
	GPULibrary string
	Search     nativelib.Search
}

// Backend is TensorFlow Lite. Nothing is loaded before it is used.
type Backend struct {
	cfg Config
	lib *library
}

// New returns the backend.
func New(cfg Config) *Backend { return &Backend{cfg: cfg} }

var _ agent.Backend = (*Backend)(nil)

// Providers a session can be opened with.
const (
	CPU      = "cpu"
	XNNPACK  = "xnnpack"
	Builtin  = "builtin"
	GPU      = "gpu"
	Delegate = "delegate"
)

// find returns the library file the configuration means.
func (c Config) find() (nativelib.Library, error) {
	switch {
	case c.Library != "":
		return c.Search.Find(LiteRT, c.Library)
	case c.Prefer != "":
		return c.Search.Find(c.Prefer, "")
	}
	lib, err := c.Search.Find(LiteRT, "")
	if err == nil {
		return lib, nil
	}
	if classic, err2 := c.Search.Find(Classic, ""); err2 == nil {
		return classic, nil
	}
	return nativelib.Library{}, err
}

// checkOptions refuses provider options that nothing would read.
func checkOptions(opt agent.Options, known ...string) error {
	for _, k := range slices.Sorted(maps.Keys(opt.ProviderOptions)) {
		if !slices.Contains(known, k) {
			err := fmt.Errorf("provider %s has no option %q", opt.Provider, k)
			if len(known) == 0 {
				return hint.Wrap(err, "leave it out")
			}
			return hint.Wrap(err, "the options are %v", known)
		}
	}
	return nil
}
