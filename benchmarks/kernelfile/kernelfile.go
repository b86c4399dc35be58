// Package kernelfile is the file agent lower writes and costgen predict reads: the
// kernels of one model as a runtime really runs it on a device, as keys.
//
// The file is one JSON object, indented by one tab, fields in the order of File:
// equal contents give equal bytes. docs/formats/kernels.md has the page.
package kernelfile

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/isocost/isocost/benchmarks/onnxreader"
	"github.com/isocost/isocost/internal/hint"
)

// Format is the first field of every file.
const Format = "isocost/kernels/v1"

// File is a lowered model.
type File struct {
	Format  string  `json:"format"`
	Model   string  `json:"model"`          // name of the model file
	SHA256  string  `json:"sha256"`         // of the model file
	Dims    Dims    `json:"dims,omitempty"` // values given to symbolic dimensions
	Runtime Runtime `json:"runtime"`
	// Network holds the kernels; every node of the runtime's graph is in it once, as
	// a kernel, as free or as unpriced.
	Network onnxreader.Network `json:"network"`
}

// Dims are the values of symbolic dimensions.
type Dims map[string]int

// Runtime is the library that optimised the model. Another version or provider
// may fuse differently.
type Runtime struct {
	Backend  string `json:"backend"`
	Version  string `json:"version"`
	SHA256   string `json:"sha256"`
	Provider string `json:"provider"`
}

// Encode writes a file canonically.
func Encode(f *File) ([]byte, error) {
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("encode kernels: %w", err)
	}
	data, err := json.MarshalIndent(f, "", "\t")
	if err != nil {
		return nil, fmt.Errorf("encode kernels: %w", err)
	}
	return append(data, '\n'), nil
}

// Decode reads a file strictly: an unknown field, a key that is not canonical, a
// hash that is none or anything after the object is an error with the line.
func Decode(data []byte) (*File, error) {
	var f File
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			return nil, hint.Wrap(errors.New("line 1: the file is cut off"), "write it again with agent lower")
		}
		offset := dec.InputOffset()
		var syntax *json.SyntaxError
		var typ *json.UnmarshalTypeError
		if errors.As(err, &syntax) {
			offset = syntax.Offset
		} else if errors.As(err, &typ) {
			offset = typ.Offset
		}
		return nil, fmt.Errorf("line %d: %w", 1+bytes.Count(data[:min(int(offset), len(data))], []byte("\n")), err)
	}
	if rest := bytes.TrimSpace(data[dec.InputOffset():]); len(rest) > 0 {
		return nil, fmt.Errorf("line %d: something follows the object", 1+bytes.Count(data[:dec.InputOffset()], []byte("\n")))
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	return &f, nil
}

// ReadFile reads a file from disk; errors begin with its path.
func ReadFile(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f, err := Decode(data)
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("%s:%w", path, err), "%s", hint.Of(err))
	}
	return f, nil
}

// Is says whether data begins like a file of this format, whatever its version.
func Is(data []byte) bool {
	var head struct {
		Format string `json:"format"`
	}
	if json.NewDecoder(bytes.NewReader(data)).Decode(&head) != nil {
		return false
	}
	return len(head.Format) > len("isocost/kernels/") && head.Format[:len("isocost/kernels/")] == "isocost/kernels/"
}

func (f *File) check() error {
	if f.Format != Format {
		return hint.Wrap(fmt.Errorf("format %q, want %q", f.Format, Format), "write it again with this version's agent lower")
	}
	for name, sum := range map[string]string{"sha256": f.SHA256, "runtime.sha256": f.Runtime.SHA256} {
		if b, err := hex.DecodeString(sum); err != nil || len(b) != 32 {
			return fmt.Errorf("%s %q is no SHA-256", name, sum)
		}
	}
	if f.Model == "" || f.Runtime.Backend == "" || f.Runtime.Version == "" || f.Runtime.Provider == "" {
		return errors.New("model, runtime.backend, runtime.version and runtime.provider must be given")
	}
	for name, v := range f.Dims {
		if name == "" || v < 1 {
			return fmt.Errorf("dimension %q is %d, not at least 1", name, v)
		}
	}
	n := f.Network
	if len(n.Kernels)+len(n.Unpriced)+len(n.Free) == 0 {
		return errors.New("the network has no node")
	}
	node := ""
	for i, k := range n.Kernels {
		if len(k.Nodes) > 0 {
			node = k.Name
		}
		// More work of the node before it, such as the addition fused into a convolution,
		// is a kernel beside it and has no node of its own.
		if k.Name == "" || k.Op.Kind == "" || len(k.Nodes) == 0 && (node == "" || k.Name != node+"+") {
			return fmt.Errorf("kernel %d lacks its name, key or nodes", i)
		}
	}
	for i, u := range n.Unpriced {
		if u.Op == "" || u.Reason == "" {
			return fmt.Errorf("unpriced node %d lacks its operator or the reason", i)
		}
	}
	return nil
}
