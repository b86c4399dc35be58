package modelfile

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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
	// Inputs and Outputs hold what the model declares: none of kernels and of formats that
	// only their runtime reads.
	Inputs, Outputs []Value
	// Signature says how a .tflite model is entered, and Signatures are all that it could be,
	// when there are several.
	Signature  string
	Signatures []string

	onnx    *onnx.Model
	tflite  *tflitefb.Model
	kernels *kernelfile.File
}

// Open reads a file. Errors say what is wrong with which file, and hint at the cure: see
// Detect; a file that is cut off or damaged; a model without a graph.
func Open(path string) (*File, error) { return OpenSignature(path, "") }

// OpenSignature opens a .tflite model by one of its signatures, "" for the first, which
// LiteRT takes too. A file without that signature, and one of a format without signatures,
// is an error.
func OpenSignature(path, signature string) (*File, error) {
	format, err := Detect(path)
	if err != nil {
		return nil, err
	}
	if signature != "" && format != TFLite {
		return nil, hint.Wrap(fmt.Errorf("%s has no signatures: %w %q", path, tflitefb.ErrNoSignature, signature), "only .tflite models have them; leave --signature out")
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
		err = f.openTFLite(data, signature)
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

func (f *File) openTFLite(data []byte, signature string) error {
	m, err := tflitefb.DecodeSignature(data, signature)
	if errors.Is(err, tflitefb.ErrNoSignature) {
		if m, no := tflitefb.Decode(data); no == nil && m.Signature != "" {
			return hint.Wrap(err, "its signatures are %s", cmp.Or(strings.Join(m.Signatures, ", "), m.Signature))
		}
		return hint.Wrap(err, "it has none at all; leave --signature out")
	}
	if err != nil {
		return hint.Wrap(err, "is it a TensorFlow Lite model, whole and uncompressed?")
	}
	f.tflite, f.Signature, f.Signatures = m, m.Signature, m.Signatures
	for i, t := range m.Inputs {
		f.Inputs = append(f.Inputs, ofTFLite(m.Tensors[t], m.InputName(i)))
	}
	for i, t := range m.Outputs {
		f.Outputs = append(f.Outputs, ofTFLite(m.Tensors[t], m.OutputName(i)))
	}
	return nil
}

// Entrance says which of several signatures is used, "" where there is not a choice.
func (f *File) Entrance() string {
	if len(f.Signatures) < 2 {
		return ""
	}
	return fmt.Sprintf("%s has the signatures %s; %s is used (--signature NAME chooses)", f.Path, strings.Join(f.Signatures, ", "), f.Signature)
}

// Chosen is the signature to name to who runs the file: "" where it is the first, which is
// taken anyway.
func (f *File) Chosen() string {
	if len(f.Signatures) > 0 && f.Signature != f.Signatures[0] {
		return f.Signature
	}
	return ""
}

// SignatureHelp is the help of --signature.
const SignatureHelp = "enter .tflite models by the signature `NAME` (default: the first)"

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
