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
	"os"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
	"github.com/isocost/isocost/lut"
)

// Format is the first field of every file.
const Format = "isocost/kernels/v1"

// File is a lowered model.
type File struct {
	Format string `json:"format"`
	Model  string `json:"model"`          // name of the model file
	SHA256 string `json:"sha256"`         // of the model file
	Dims   Dims   `json:"dims,omitempty"` // values given to symbolic dimensions
	// Runtime is the library that optimised the model: another version or provider may
	// fuse differently.
	Runtime lut.Library `json:"runtime"`
	// Network holds the kernels; every node of the runtime's graph is in it once, as
	// a kernel, as free or as unpriced.
	Network network.Network `json:"network"`
}

// Dims are the values of symbolic dimensions.
type Dims map[string]int

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

// Decode reads a file strictly; name is the file's, for errors. An unknown field, a
// key that is not canonical, a hash that is none or anything after the object is an
// error with its line.
func Decode(name string, data []byte) (*File, error) {
	const remake = "agent lower writes it again"
	var f File
	if err := strictjson.Decode(data, &f); err != nil {
		return nil, hint.Wrap(strictjson.In(name, err), remake)
	}
	if err := f.check(); err != nil {
		return nil, hint.Wrap(fmt.Errorf("%s:1: %w", name, err), remake)
	}
	return &f, nil
}

// ReadFile reads a file from disk.
func ReadFile(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Decode(path, data)
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
		return fmt.Errorf("format %q, want %q", f.Format, Format)
	}
	for name, sum := range map[string]string{"sha256": f.SHA256, "runtime.sha256": f.Runtime.SHA256} {
		if b, err := hex.DecodeString(sum); err != nil || len(b) != 32 {
			return fmt.Errorf("%s %q is not a SHA-256", name, sum)
		}
	}
	if f.Model == "" || f.Runtime.Backend == "" || f.Runtime.Version == "" || f.Runtime.Provider == "" {
		return errors.New("model, runtime.backend, runtime.version and runtime.provider must be given")
	}
	for name, v := range f.Dims {
		if name == "" || v < 0 {
			return fmt.Errorf("dimension %q is %d, not at least 0", name, v)
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
