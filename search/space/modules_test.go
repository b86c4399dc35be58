package space

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/onnx"
)

// pointwise is a module of one 1×1 convolution over c channels, mid in between.
func pointwise(cin, mid, cout, side int, edit ...func(*onnx.Model)) []byte {
	weights := func(name string, o, i int) *onnx.Tensor {
		v := make([]float32, o*i)
		for k := range v {
			v[k] = float32(k%7-3) / float32(i)
		}
		return onnx.FloatTensor(name, onnx.Float, v, o, i, 1, 1)
	}
	m := &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{
		Inputs:       []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, 1, cin, side, side)},
		Outputs:      []*onnx.ValueInfo{onnx.NewValue("y", onnx.Float, 1, cout, side, side)},
		Initializers: []*onnx.Tensor{weights("a", mid, cin), weights("b", cout, mid)},
		Nodes: []*onnx.Node{
			{Name: "1", Op: "Conv", Inputs: []string{"x", "a"}, Outputs: []string{"h"}},
			{Name: "2", Op: "Relu", Inputs: []string{"h"}, Outputs: []string{"r"}},
			{Name: "3", Op: "Conv", Inputs: []string{"r", "b"}, Outputs: []string{"y"}},
		},
	}}
	for _, e := range edit {
		e(m)
	}
	return onnx.Encode(m)
}

// folder is a space of modules in memory: names ↔ contents.
type folder map[string][]byte

func (f folder) read(path string) ([]byte, error) {
	if data, ok := f[path]; ok {
		return data, nil
	}
	return nil, fmt.Errorf("no file %q", path)
}

// table is the list of files of a space file.
func (f folder) table() string {
	var b strings.Builder
	for name, data := range f {
		sum := sha256.Sum256(data)
		fmt.Fprintf(&b, "  %s: %s\n", name, hex.EncodeToString(sum[:]))
	}
	return b.String()
}

// twoLayers is a space of two layers of two widths.
func twoLayers() (text string, files folder) {
	files = folder{
		"m/stem.onnx": pointwise(3, 4, 8, 16), "m/a4.onnx": pointwise(8, 4, 8, 16), "m/a8.onnx": pointwise(8, 8, 8, 16), "m/ref.onnx": pointwise(8, 2, 8, 16),
	}
	text = `format: isocost/space/v1
kind: modules
name: two
input: {channels: 3, height: 16, width: 16}
files:
` + files.table() + `stem: [{name: stem, out: [8, 16, 16], form: m/stem.onnx}]
layers:
  - name: first
    out: [8, 16, 16]
    widths: [4, 8]
    choices:
      mine: {4: {fp32: m/a4.onnx}, 8: {fp32: m/a8.onnx}}
      ref: {fp32: m/ref.onnx}
    default: {width: 8}
  - name: second
    out: [8, 16, 16]
    skip: true
    choices:
      ref: {fp32: m/ref.onnx}
head: []
`
	return text, files
}

func TestReadModules(t *testing.T) {
	text, files := twoLayers()
	m, err := ReadModules("space.yaml", []byte(text), files.read)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.hash) != 64 || len(m.forms) != 4 {
		t.Errorf("hash %q, %d modules", m.hash, len(m.forms))
	}
	// Names of files are not part of a space's identity.
	moved, err := ReadModules("space.yaml", []byte(strings.ReplaceAll(text, "m/ref.onnx", "other.onnx")), func(path string) ([]byte, error) {
		return files.read(strings.ReplaceAll(path, "other.onnx", "m/ref.onnx"))
	})
	if err != nil || moved.hash != m.hash {
		t.Errorf("a renamed file: %v, hash %s, not %s", err, moved.hash, m.hash)
	}
}

func TestBadModulesAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		from, to string // in the text
		file     string // changed
		data     []byte
		want     string
	}{
		"a width that changes the interface": {file: "m/a4.onnx", data: pointwise(8, 4, 4, 16), want: `layer "first", choice "mine", width 4, fp32 (m/a4.onnx): its output is [4 16 16], not [8 16 16]`},
		"another input":                      {file: "m/ref.onnx", data: pointwise(4, 4, 8, 16), want: `layer "first", choice "ref", width 4, fp32 (m/ref.onnx): its input is [4 16 16], the part before it hands on [8 16 16]`},
		"a shape that depends on data": {file: "m/a8.onnx", data: pointwise(8, 8, 8, 16, func(m *onnx.Model) {
			m.Graph.Nodes = append(m.Graph.Nodes, &onnx.Node{Name: "nz", Op: "NonZero", Inputs: []string{"y"}, Outputs: []string{"z"}})
			m.Graph.Outputs = []*onnx.ValueInfo{{Name: "z"}}
		}), want: `file "m/a8.onnx" (layer "first", choice "mine", width 8, fp32): the shape of "z", which node "nz" (NonZero) computes, depends on data`},
		"two outputs": {file: "m/a8.onnx", data: pointwise(8, 8, 8, 16, func(m *onnx.Model) {
			m.Graph.Outputs = append(m.Graph.Outputs, onnx.NewValue("r", onnx.Float, 1, 8, 16, 16))
		}), want: `choice "mine", width 8, fp32): it has 1 inputs and 2 outputs, not one of each`},
		"weights outside": {file: "m/a8.onnx", data: pointwise(8, 8, 8, 16, func(m *onnx.Model) {
			w := m.Graph.Initializers[0]
			w.Raw, w.IsExternal, w.External = nil, true, []onnx.Entry{{Key: "location", Value: "a8.data"}}
		}), want: `choice "mine", width 8, fp32): its weights are in another file, "a8.data"`},
		"an open size": {file: "m/a8.onnx", data: pointwise(8, 8, 8, 16, func(m *onnx.Model) {
			m.Graph.Inputs[0].Type.Shape[2] = onnx.Dim{Param: "h"}
		}), want: `width 8, fp32): dimension 2 of input "x" is left open`},
		"another domain": {file: "m/a8.onnx", data: pointwise(8, 8, 8, 16, func(m *onnx.Model) {
			m.Graph.Nodes[1].Domain = "my.ops"
		}), want: `node "2" is of my.ops:Relu, an operator that ONNX Runtime has not`},
		"a file that is not there":      {file: "m/ref.onnx", want: `file "m/ref.onnx": no file`},
		"a missing width":               {from: "4: {fp32: m/a4.onnx}, ", want: `layer "first", choice "mine": field "4" is missing`},
		"an unlisted file":              {from: "  m/stem.onnx:", to: "  m/other.onnx:", want: `form: files has no "m/stem.onnx"`},
		"a file outside":                {from: "  m/stem.onnx:", to: "  ../stem.onnx:", want: `path "../stem.onnx" is not one below this folder`},
		"a skip that changes the shape": {from: "out: [8, 16, 16]\n    widths: [4, 8]", to: "out: [4, 16, 16]\n    skip: true\n    widths: [4, 8]", want: `layer "first": skip keeps the shape`},
		"no default width":              {from: "    default: {width: 8}\n", want: `layer "first": default says no width of [4 8]`},
		"an unknown field":              {from: "skip: true", to: "skips: true", want: `unknown field "skips"`},
	} {
		t.Run(name, func(t *testing.T) {
			text, files := twoLayers()
			if c.from != "" {
				if !strings.Contains(text, c.from) {
					t.Fatalf("the space does not hold %q", c.from)
				}
				text = strings.Replace(text, c.from, c.to, 1)
			}
			if c.file != "" {
				was := files.hashOf(c.file)
				if c.data == nil {
					delete(files, c.file)
				} else {
					files[c.file] = c.data
					text = strings.ReplaceAll(text, was, files.hashOf(c.file))
				}
			}
			_, err := ReadModules("space.yaml", []byte(text), files.read)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "space.yaml:") {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
	text, files := twoLayers()
	files["m/a4.onnx"] = append(files["m/a4.onnx"], 0)
	if _, err := ReadModules("space.yaml", []byte(text), files.read); err == nil || !strings.Contains(err.Error(), "it has been changed since") {
		t.Errorf("a changed file: %v", err)
	}
}

func (f folder) hashOf(name string) string {
	sum := sha256.Sum256(f[name])
	return hex.EncodeToString(sum[:])
}
