package tflitereader

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/isocost/isocost/benchmarks/litertmodel"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/internal/tflitefb/graph"
)

// Extension says how a file's name ends.
const Extension = ".tflite"

// Named reports whether a path is a .tflite model's, by its extension.
func Named(path string) bool { return strings.EqualFold(filepath.Ext(path), Extension) }

// ReadFile reads a model from disk; its name is the file's, without extension.
func ReadFile(path string) (*network.Network, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, hint.Wrap(err, "name a .tflite model")
	}
	net, err := Read(data, strings.TrimSuffix(filepath.Base(path), Extension))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return net, nil
}

// Read reads a model from its bytes. Errors: bytes that are not a model, and shapes that
// are not known before the model runs. Operators that have no key are not errors: see
// Network.Unpriced. PeakBytes and LiveBytes stay 0: how LiteRT plans its memory is not
// known here.
func Read(data []byte, name string) (*network.Network, error) {
	m, err := tflitefb.Decode(data)
	if err != nil {
		return nil, err
	}
	return ReadModel(m, Options{Name: name})
}

// Options say what a decoded model leaves open.
type Options struct {
	// Name of the network.
	Name string
	// Inputs are the shapes of inputs that have others than in the file, by tensor.
	Inputs map[int32][]int32
	// Batch is the batch that the keys are wanted for, such as a table's; 0 where any will
	// do. Only inputs that may be rows as well as a batch depend on it: see network.Batch.
	Batch int
	// Trace, where set, is told what each stage made of the model.
	Trace network.Tracer
}

// ReadModel reads a decoded model; see Read.
func ReadModel(m *tflitefb.Model, opt Options) (*network.Network, error) {
	trace := opt.Trace
	if trace == nil {
		trace = func(string, fmt.Stringer) {}
	}
	g, err := graph.Load(m, graph.Options{Inputs: opt.Inputs})
	if err != nil {
		return nil, err
	}
	trace("loaded", g)
	f := litertmodel.Fuse(g, opt.Batch)
	trace("fused", f)
	net := f.Price()
	net.Name = opt.Name
	trace("priced", net)
	return net, nil
}
