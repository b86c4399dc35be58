// Package modulespace writes spaces of modules (docs/formats/space.md, kind: modules)
// whose modules are chains of the catalogue: an example that needs no Python, and what
// tests start from.
package modulespace

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/lut"
)

// Space is a space of modules before it is written.
type Space struct {
	Name   string
	Input  benchmarks.Shape // of a map
	Stem   benchmarks.Chain
	Layers []Layer
	Head   benchmarks.Chain
	TFLite bool // the modules have .tflite forms, too
}

// Layer is one mutable layer. Every choice turns the same shape into the same.
type Layer struct {
	Name       string
	Widths     []int
	Default    int // one of Widths
	Precisions []lut.Precision
	Skip       bool
	Choices    []Choice
}

// Choice is a module by its width; precision is set on all its operators.
type Choice struct {
	Name  string
	Chain func(width int) benchmarks.Chain
}

// Write writes space.yaml and a file per module into dir, which it makes. Equal modules
// are one file. Weights are the catalogue's random ones, the same each time.
func (s *Space) Write(dir string) error {
	w := &writer{dir: dir, tflite: s.TFLite, files: map[string]string{}}
	var body strings.Builder
	fixed := func(name string, c benchmarks.Chain) {
		if len(c) == 0 {
			fmt.Fprintf(&body, "%s: []\n", name)
			return
		}
		form, out := w.module(c, lut.FP32)
		fmt.Fprintf(&body, "%s:\n  - {name: %s, out: %s, form: %s}\n", name, name, list(out), form)
	}
	fixed("stem", s.Stem)
	body.WriteString("layers:\n")
	for _, l := range s.Layers {
		fmt.Fprintf(&body, "  - name: %s\n", l.Name)
		var choices strings.Builder
		var out benchmarks.Shape
		for _, c := range l.Choices {
			fmt.Fprintf(&choices, "      %s:\n", c.Name)
			for _, width := range l.Widths {
				var forms []string
				for _, p := range l.Precisions {
					form, shape := w.module(c.Chain(width), p)
					forms, out = append(forms, fmt.Sprintf("%s: %s", p, form)), shape
				}
				fmt.Fprintf(&choices, "        %d: {%s}\n", width, strings.Join(forms, ", "))
			}
		}
		fmt.Fprintf(&body, "    out: %s\n    widths: %s\n    precisions: %s\n", list(out), list(l.Widths), list(l.Precisions))
		if l.Skip {
			body.WriteString("    skip: true\n")
		}
		fmt.Fprintf(&body, "    choices:\n%s    default: {width: %d}\n", choices.String(), l.Default)
	}
	fixed("head", s.Head)
	if w.err != nil {
		return w.err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "format: isocost/space/v1\nkind: modules\nname: %s\ninput: {channels: %d, height: %d, width: %d}\nfiles:\n", s.Name, s.Input[0], s.Input[1], s.Input[2])
	for _, path := range slices.Sorted(maps.Keys(w.files)) {
		fmt.Fprintf(&text, "  %s: %s\n", path, w.files[path])
	}
	return atomicfile.Write(filepath.Join(dir, "space.yaml"), []byte(text.String()+body.String()), 0o644)
}

// list is a YAML list of numbers or names.
func list[T any](values []T) string {
	return strings.ReplaceAll(fmt.Sprint(values), " ", ", ")
}

// writer collects the files of a space.
type writer struct {
	dir    string
	tflite bool
	files  map[string]string // path → SHA-256
	err    error
}

// module writes a chain in one precision and returns its form and the shape it hands on.
func (w *writer) module(c benchmarks.Chain, p lut.Precision) (form string, out benchmarks.Shape) {
	own := make(benchmarks.Chain, len(c))
	for i, op := range c {
		own[i] = op.WithPrecision(p)
	}
	if w.err == nil {
		_, out, w.err = benchmarks.Shapes(own[len(own)-1])
	}
	form = w.file(own, ".onnx", onnxwriter.Write)
	if w.tflite {
		form = fmt.Sprintf("{onnx: %s, tflite: %s}", form, w.file(own, ".tflite", tflitewriter.Write))
	}
	return form, out
}

// file writes a chain in a format, under a name of its content, and returns that.
func (w *writer) file(c benchmarks.Chain, suffix string, write func(*graph.Graph) ([]byte, error)) (path string) {
	if w.err != nil {
		return ""
	}
	data, err := written(c, 1, write)
	if err != nil {
		w.err = err
		return ""
	}
	sum := sha256.Sum256(data)
	hash := hex.EncodeToString(sum[:])
	path = "modules/" + hash[:12] + suffix
	if w.files[path] == "" {
		w.files[path] = hash
		if w.err = os.MkdirAll(filepath.Join(w.dir, "modules"), 0o755); w.err == nil {
			w.err = atomicfile.Write(filepath.Join(w.dir, path), data, 0o644)
		}
	}
	return path
}
