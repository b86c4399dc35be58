package modelfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/isocost/isocost/benchmarks/kernelfile"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/tflitefb"
)

// File is an open model file.
type File struct {
	Path   string
	Name   string // the path's last part, without the extension
	Format Format
	// Inputs and Outputs are what the model declares: none of kernels and of formats that
	// only their runtime reads.
	Inputs, Outputs []Value

	data    []byte // of a .tflite model, for its reader
	onnx    *onnx.Model
	kernels *kernelfile.File
}

// Open reads a file. Errors say what is wrong with which file, and hint at the cure: see
// Detect; a file that is cut off or damaged; a model without a graph.
func Open(path string) (*File, error) {
	format, err := Detect(path)
	if err != nil {
		return nil, err
	}
	f := &File{Path: path, Name: baseName(path, format), Format: format}
	if format == ORT {
		return f, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	switch format {
	case TFLite:
		err = f.openTFLite(data)
	case Kernels:
		if f.kernels, err = kernelfile.Decode(path, data); err != nil {
			return nil, err // which names the file and the line
		}
	default:
		err = f.openONNX(data)
	}
	if err != nil {
		return nil, keepHint(path, err)
	}
	return f, nil
}

// keepHint names the file in front of an error, whose hint stays.
func keepHint(path string, err error) error {
	if h := hint.Of(err); h != "" {
		return hint.Wrap(fmt.Errorf("%s: %w", path, err), "%s", h)
	}
	return fmt.Errorf("%s: %w", path, err)
}

func (f *File) openONNX(data []byte) (err error) {
	if f.onnx, err = onnx.Decode(data); err != nil {
		return hint.Wrap(err, "is it an ONNX model, whole and uncompressed?")
	}
	if f.onnx.Graph == nil {
		return errors.New("the model has no graph")
	}
	weights := map[string]bool{}
	for _, t := range f.onnx.Graph.Initializers {
		weights[t.Name] = true
	}
	for _, v := range f.onnx.Graph.Inputs {
		if !weights[v.Name] { // IR version 3 lists weights among the inputs
			f.Inputs = append(f.Inputs, ofONNX(v))
		}
	}
	for _, v := range f.onnx.Graph.Outputs {
		f.Outputs = append(f.Outputs, ofONNX(v))
	}
	return nil
}

func (f *File) openTFLite(data []byte) error {
	m, err := tflitefb.Decode(data)
	if err != nil {
		return hint.Wrap(err, "is it a TensorFlow Lite model, whole and uncompressed?")
	}
	f.data = data
	for _, i := range m.Inputs {
		f.Inputs = append(f.Inputs, ofTFLite(m.Tensors[i]))
	}
	for _, i := range m.Outputs {
		f.Outputs = append(f.Outputs, ofTFLite(m.Tensors[i]))
	}
	return nil
}

// Names are the paths' names without folders, as far as they differ.
func Names(paths []string) []string {
	count := map[string]int{}
	for _, p := range paths {
		count[filepath.Base(p)]++
	}
	out := make([]string, len(paths))
	for i, p := range paths {
		out[i] = filepath.Base(p)
		if count[out[i]] > 1 {
			out[i] = p
		}
	}
	return out
}
