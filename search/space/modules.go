package space

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/onnxmodule"
	"github.com/isocost/isocost/benchmarks/tflitemodule"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// Modules is a space whose layers are modules in ONNX files, with .tflite forms or without: any network that can be cut
// into parts with one tensor between neighbours.
//
// Width. The values of a layer's knob are the modules' business; the multiplier of a
// search is the value over the default's.
//
// Precision. As in Measured, but the conversions are inside the int8 modules; the keys of
// a network have the same switches.
type Modules struct {
	spec  modulesSpec
	hash  string
	text  []byte
	forms map[string]*onnxmodule.Module   // by SHA-256
	lite  map[string]*tflitemodule.Module // by the content of a form
	lib   benchmarks.Library
	parts []modulePart
	x0    Arch
}

// modulePart is a part of the network: a fixed module, or a mutable layer.
type modulePart struct {
	layer int // −1: fixed
	op    lut.Op
	// ops are a layer's keys [choice][width][precision]; nothing for a skip.
	ops [][][]lut.Op
}

var (
	_ Stepper = (*Modules)(nil)
	_ Modular = (*Modules)(nil)
)

// ReadModules parses a space file of kind modules; name is the file's, for errors, which
// carry file:line and a hint. read returns the content of a file below the space's
// folder. Every file is read, hashed and checked: what does not fit is named by layer,
// choice, width and precision.
func ReadModules(name string, data []byte, read func(path string) ([]byte, error)) (*Modules, error) {
	return readModules(name, data, "", read)
}

// readModules is ReadModules; folder is the space's, below which keys have their files.
func readModules(name string, data []byte, folder string, read func(path string) ([]byte, error)) (*Modules, error) {
	r := &reader{file: name}
	root := r.parse(data)
	if root == nil {
		return nil, r.err()
	}
	m := &Modules{spec: *r.modules(root), forms: map[string]*onnxmodule.Module{}, lite: map[string]*tflitemodule.Module{}}
	if len(r.problems) == 0 {
		m.build(r, read)
	}
	if len(r.problems) == 0 {
		m.keys(r, folder)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return m, nil
}

// OpenModules reads a space file of kind modules with its files from disk.
func OpenModules(path string) (*Modules, error) {
	data, err := spaceFile(path)
	if err != nil {
		return nil, err
	}
	folder := filepath.Dir(path)
	return readModules(path, data, folder, func(name string) ([]byte, error) {
		return os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
	})
}

// build reads the modules and checks that each fits where it stands.
func (m *Modules) build(r *reader, read func(path string) ([]byte, error)) {
	s := &m.spec
	lite := liteForms{m: m, files: map[string][]byte{}}
	for _, f := range s.files {
		at := &yaml.Node{Line: f.line}
		data, err := read(f.path)
		if err != nil {
			r.fail(at, "the files of a space lie in its folder: copy all of it", "file %q: %v", f.path, cause(err))
			continue
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != f.sha256 {
			r.fail(at, "write the space again", "file %q has hash %x, not the one named here: it has been changed since", f.path, sum[:6])
			continue
		}
		if filepath.Ext(f.path) == ".tflite" {
			lite.files[f.sha256] = data
			continue
		}
		if m.forms[f.sha256] != nil {
			continue
		}
		if module, err := onnxmodule.Read(data); err != nil {
			r.fail(at, hint.Of(err), "file %q%s: %v", f.path, m.place(f.path), err)
		} else {
			m.forms[f.sha256] = module
		}
	}
	if len(r.problems) > 0 {
		return
	}
	before := benchmarks.Shape{s.Input.Channels, s.Input.Height, s.Input.Width}
	fixed := func(parts []moduleFixed) {
		for _, f := range parts {
			m.check(r, f.Form, fmt.Sprintf("module %q", f.Name), f.Precision, before, f.Out)
			lite.add(r, f.Form, fmt.Sprintf("module %q", f.Name))
			before = f.Out
		}
	}
	fixed(s.Stem)
	for _, l := range s.Layers {
		fixed(l.Entry)
		if l.Skip && !slices.Equal(before, l.Out) {
			r.fail(&yaml.Node{Line: l.line}, "leave skip out of this layer", "layer %q: skip keeps the shape, but the layer turns %v into %v", l.Name, []int(before), []int(l.Out))
		}
		for _, c := range l.Choices {
			for w, forms := range c.Forms {
				for p, f := range forms {
					m.check(r, f, l.place(c.Name, w, p), l.precision(p), before, l.Out)
					lite.add(r, f, l.place(c.Name, w, p))
				}
			}
		}
		before = l.Out
	}
	fixed(s.Head)
	lite.orient(r)
	if len(s.Stem)+len(s.Head) == 0 && !slices.ContainsFunc(s.Layers, func(l moduleLayer) bool { return !l.Skip || len(l.Entry) > 0 }) {
		r.fail(nil, "add a stem or a head", "every layer can be skipped and nothing else is there: a network could be nothing")
	}
	text, err := json.Marshal(s)
	if err != nil { // strings valid by construction
		r.fail(nil, "", "%v", err)
		return
	}
	sum := sha256.Sum256(text)
	m.text, m.hash = text, hex.EncodeToString(sum[:])
}

// check says whether a module takes in and hands on out in precision p.
func (m *Modules) check(r *reader, f moduleForm, what string, p lut.Precision, in, out benchmarks.Shape) {
	x := m.forms[f.ONNX]
	at := &yaml.Node{Line: f.line}
	bad := func(fix, format string, args ...any) {
		r.fail(at, fix, "%s (%s): %s", what, f.path, fmt.Sprintf(format, args...))
	}
	want := benchmarks.ModuleElement(p)
	switch {
	case !slices.Equal(x.In, in):
		bad("the width of a layer must not show outside", "its input is %v, the part before it hands on %v", x.In, []int(in))
	case !slices.Equal(x.Out, out):
		bad("the width of a layer must not show outside", "its output is %v, not %v", x.Out, []int(out))
	case x.Elem != want:
		bad("int8 modules quantise within", "its tensors are of type %v; in %s they are %v", x.Elem, p, want)
	}
}

// place names the first use of a file, for errors about it.
func (m *Modules) place(path string) string {
	fixed := func(parts []moduleFixed) string {
		for _, f := range parts {
			if f.Form.path == path {
				return fmt.Sprintf(" (module %q)", f.Name)
			}
		}
		return ""
	}
	found := fixed(m.spec.Stem)
	for _, l := range m.spec.Layers {
		found = cmp.Or(found, fixed(l.Entry))
		for _, c := range l.Choices {
			for w, forms := range c.Forms {
				for p, f := range forms {
					if found == "" && f.path == path {
						found = " (" + l.place(c.Name, w, p) + ")"
					}
				}
			}
		}
	}
	return cmp.Or(found, fixed(m.spec.Head))
}

// place names a setting of the layer.
func (l *moduleLayer) place(choice string, width, precision int) string {
	text := fmt.Sprintf("layer %q, choice %q", l.Name, choice)
	if len(l.Widths) > 0 {
		text += fmt.Sprintf(", width %d", l.Widths[width])
	}
	return text + ", " + string(l.precision(precision))
}

// precision is the i-th of the layer's precisions; fp32 where it has none.
func (l *moduleLayer) precision(i int) lut.Precision {
	if len(l.Precisions) == 0 {
		return lut.FP32
	}
	return l.Precisions[i]
}

// cause leaves the path out of a file's error, which names it already.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
