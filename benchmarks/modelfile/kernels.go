package modelfile

import (
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/benchmarks/onnxreader"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/benchmarks/tflitereader"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/lut"
)

// Use says how a model is used, as far as its file leaves that open, and by what.
type Use struct {
	Dims Dims
	// Batch is the batch that the kernels' keys are wanted for, such as a table's; 0 where
	// any will do. It decides where rows of an input could be items as well: see network.Batch.
	Batch int
	// On is the machine that ONNX Runtime runs on.
	On ortmodel.Target
	// Trace, where set, is told what each stage of reading made of the model.
	Trace network.Tracer
}

func (f *File) onnxOptions(use Use) onnxreader.Options {
	return onnxreader.Options{Dims: f.Own(use.Dims), Batch: use.Batch, Name: f.Name, Root: onnx.Folder(f.Path), Target: use.On, Trace: use.Trace}
}

// Kernels are the kernels that the model's runtime makes of it: ONNX Runtime's CPU
// provider of an ONNX model and LiteRT of a .tflite one, by rules; of kernels on file,
// those. Network.Dims holds the length of every open dimension, given or not (a batch is
// 1 where Dims does not say). Errors: an open dimension without a length (hint: which), a
// length that the file's own tensors contradict, and what the format's reader refuses.
func (f *File) Kernels(use Use) (*network.Network, error) {
	var net *network.Network
	var err error
	switch f.Format {
	case Kernels:
		n := f.kernels.Network
		n.Lowered = true
		if use.Trace != nil {
			use.Trace("priced", &n)
		}
		return &n, nil
	case TFLite:
		net, err = f.kernelsOfTFLite(use)
	case ONNX:
		net, err = onnxreader.ReadModel(f.onnx, f.onnxOptions(use))
	default:
		err = hint.Wrap(fmt.Errorf("models of format %s run, but their kernels cannot be read", f.Format), "give the ONNX model it was made of")
	}
	if err != nil {
		return nil, keepHint(f.Path, err)
	}
	return net, nil
}

// kernelsOfTFLite reads a .tflite model at the lengths given, and as its tensors are laid out
// where none is.
func (f *File) kernelsOfTFLite(use Use) (*network.Network, error) {
	lengths := map[string]int{} // of every open dimension
	own := f.Own(use.Dims)
	inputs := map[int32][]int32{}
	for i, v := range f.Inputs {
		t := f.tflite.Inputs[i]
		shape := slices.Clone(f.tflite.Tensors[t].Shape)
		for d, s := range v.Shape {
			if s.Name == "" {
				continue
			}
			lengths[s.Name] = s.Length
			if n, given := own[s.Name]; given {
				if n < 1 || n > math.MaxInt32 {
					return nil, hint.Wrap(fmt.Errorf("dimension %s is %d", s.Name, n), "LiteRT takes lengths of 1 and more")
				}
				lengths[s.Name], shape[d] = n, int32(n)
				inputs[t] = shape
			}
		}
	}
	net, err := tflitereader.ReadModel(f.tflite, tflitereader.Options{Name: f.Name, Inputs: inputs, Batch: use.Batch, Trace: use.Trace})
	if err == nil && len(lengths) > 0 {
		net.Dims = lengths
	}
	return net, err
}

// Optimised reads the graph that ONNX Runtime made of the model, whose weights outside the
// file still lie beside it.
func (f *File) Optimised(graph []byte, use Use) (*network.Network, error) {
	opt := f.onnxOptions(use)
	opt.Lowered = true
	net, err := onnxreader.Read(graph, opt)
	if err != nil {
		return nil, keepHint("read the optimised form of "+f.Path, err)
	}
	return net, nil
}

// Unlike says where the kernels of the file are not those of the runtime that a table is
// of, "" where they are or the table does not tell.
func (f *File) Unlike(table lut.Runtime) string {
	switch f.Format {
	case Kernels:
		if k := f.kernels.Runtime; table.SHA256 != "" && (table.SHA256 != k.SHA256 || table.Provider != k.Provider) {
			return fmt.Sprintf("%s was lowered by %s %s, %s; the table is of %s %s, %s", f.Path,
				k.Backend, k.Version, k.Provider, table.Backend, table.Version, table.Provider)
		}
		return ""
	}
	runs := map[string]string{ONNXRuntime: "ONNX Runtime", LiteRT: "LiteRT"}[f.Format.Backend()]
	if table.Backend == "" || table.Backend == f.Format.Backend() {
		return ""
	}
	return fmt.Sprintf("%s is read as %s runs it; the table is of %s", f.Path, runs, table.Backend)
}
