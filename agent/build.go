package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/lut"
)

// BuildSpec says in which form a backend wants a model.
type BuildSpec struct {
	Dir    string // to which the files of models and modules are relative
	Format Format
	Batch  int    // of chains; 0 is 1
	Seed   uint64 // of chains' weights
	// Precision, when set, is that of every operator of a chain instead of its own.
	Precision lut.Precision
}

// Build makes a plan's model ready for a backend: a chain is written in the
// backend's format, a file is checked against its hash. A model that cannot be
// made in that format wraps ErrUnsupported.
func Build(m benchmarks.Model, spec BuildSpec) (Model, error) {
	out := Model{Name: m.File, ID: m.ID, Chain: m.Chain, Dims: m.Dims, Signature: m.Signature}
	if m.File != "" {
		out.Path = m.File
		if !filepath.IsAbs(out.Path) {
			out.Path = filepath.Join(spec.Dir, m.File)
		}
		if err := CheckFile(out.Path, m.SHA256); err != nil {
			return Model{}, err
		}
		if spec.Format == FormatChain {
			var err error
			out.Bytes, err = os.ReadFile(out.Path)
			return out, err
		}
		return out, nil
	}
	if spec.Format == FormatChain {
		if spec.Precision != "" {
			out.Chain = m.Chain.In(spec.Precision)
		}
		return out, nil
	}
	modules, err := benchmarks.OpenLibrary(m.Modules, spec.Dir)
	if err != nil {
		return Model{}, err
	}
	g, err := benchmarks.Build(m.Chain, benchmarks.BuildOptions{Batch: spec.Batch, Seed: spec.Seed, Precision: spec.Precision, Modules: modules,
		LiteRT: spec.Format == FormatTFLite || spec.Format == FormatTFLiteClassic})
	if err != nil {
		return Model{}, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	out.Graph = g
	switch spec.Format {
	case FormatGraph:
		return out, nil
	case FormatONNX:
		var m *onnx.Model
		if m, err = onnxwriter.Model(g); err == nil {
			out.Large = large(m.Graph)
			out.Bytes = onnx.Encode(m)
		}
	case FormatTFLite:
		out.Bytes, err = tflitewriter.Write(g)
	case FormatTFLiteClassic:
		out.Bytes, err = tflitewriter.WriteClassic(g)
	default:
		err = fmt.Errorf("no writer for models of format %q", spec.Format)
	}
	if err != nil {
		return Model{}, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return out, nil
}

// large lists the constants of a graph that are worth keeping once.
func large(g *onnx.Graph) (list []Tensor) {
	for _, t := range g.Initializers {
		if t.Type == onnx.Float && len(t.Raw) >= benchmarks.LargeBytes {
			shape := make([]int, len(t.Dims))
			for i, d := range t.Dims {
				shape[i] = int(d)
			}
			list = append(list, Tensor{Name: t.Name, DType: "float32", Shape: shape, Data: t.Raw})
		}
	}
	return list
}

// CheckFile fails when a model file is not the one the plan was made for: its SHA-256
// differs from sum.
func CheckFile(path, sum string) error {
	// The file alone first: it is the child that asks, whose memory is measured, and
	// only a model with parts need be read for its hash.
	if got, err := filehash.SHA256(context.Background(), path); err == nil && got == sum {
		return nil
	}
	got, err := modelfile.SHA256(context.Background(), path)
	if err != nil {
		return hint.Wrap(fmt.Errorf("model file: %w", err), "model files are looked for beside the plan")
	}
	if got != sum {
		return hint.Wrap(fmt.Errorf("model file %s has changed since the plan was made (%.12s… then, %.12s… now)", path, sum, got),
			"make the plan again")
	}
	return nil
}
