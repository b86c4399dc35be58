package space

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxmodule"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/tflitemodule"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

// keys gives every module its key and the library its file.
func (m *Modules) keys(r *reader, folder string) {
	add := func(op lut.Op, f moduleForm) {
		file := benchmarks.ModuleFile{Key: op, File: filepath.Join(folder, filepath.FromSlash(f.path)), SHA256: f.ONNX}
		lite := m.lite[f.content()]
		if lite != nil {
			file.TFLite = &benchmarks.ModuleForm{File: filepath.Join(folder, filepath.FromSlash(f.lite)), SHA256: f.TFLite,
				ChannelsFirst: lite.Order == tflitemodule.ChannelsFirst}
		}
		if err := m.lib.Add(file, m.forms[f.ONNX], lite); err != nil {
			r.fail(&yaml.Node{Line: f.line}, "", "%v", err)
		}
	}
	fixed := func(parts []moduleFixed) {
		for _, f := range parts {
			op := benchmarks.ModuleKey(f.Name, benchmarks.ModuleID([][]string{{f.Form.content()}}), f.Precision, m.forms[f.Form.ONNX], 1)
			add(op, f.Form)
			m.parts = append(m.parts, modulePart{layer: -1, op: op})
		}
	}
	fixed(m.spec.Stem)
	for i := range m.spec.Layers {
		l := &m.spec.Layers[i]
		fixed(l.Entry)
		p := modulePart{layer: i}
		for _, c := range l.Choices {
			id, widths := c.identity(l)
			ops := make([][]lut.Op, len(c.Forms))
			for w, forms := range c.Forms {
				for k, f := range forms {
					op := benchmarks.ModuleKey(c.Name, id, l.precision(k), m.forms[f.ONNX], widths[w])
					add(op, f)
					ops[w] = append(ops[w], op)
				}
			}
			p.ops = append(p.ops, ops)
		}
		m.parts = append(m.parts, p)
		m.x0.Layers = append(m.x0.Layers, l.Default)
	}
	fixed(m.spec.Head)
}

// identity is the choice's by the content of its files, and the width that each point of
// the layer's grid has in its key: the first at which the files are the same, 1 where
// they are the same everywhere.
func (c *moduleChoice) identity(l *moduleLayer) (id string, widths []int) {
	var distinct [][]string
	for w, forms := range c.Forms {
		var sums []string
		for _, f := range forms {
			sums = append(sums, f.content())
		}
		first := slices.IndexFunc(c.Forms[:w], func(g []moduleForm) bool { return sameFiles(g, forms) })
		switch {
		case first >= 0:
			widths = append(widths, widths[first])
			continue
		case len(l.Widths) > 0:
			widths = append(widths, l.Widths[w])
		default:
			widths = append(widths, 1)
		}
		distinct = append(distinct, sums)
	}
	if len(distinct) == 1 {
		for w := range widths {
			widths[w] = 1
		}
	}
	return benchmarks.ModuleID(distinct), widths
}

// sameFiles says whether two widths are the same module in every precision.
func sameFiles(a, b []moduleForm) bool {
	return slices.EqualFunc(a, b, func(a, b moduleForm) bool { return a.content() == b.content() })
}

// Name is the space's own name.
func (m *Modules) Name() string { return m.spec.Name }

// Hash is the SHA-256, in hex, of Canonical.
func (m *Modules) Hash() string { return m.hash }

// Canonical is the space's canonical text: JSON with every default filled in and files by
// their content.
func (m *Modules) Canonical() []byte { return slices.Clone(m.text) }

// Layers is the number of mutable layers.
func (m *Modules) Layers() int { return len(m.spec.Layers) }

// Choices lists the names of layer l's choices, in the file's order, skip last.
func (m *Modules) Choices(l int) []string { return m.spec.Layers[l].names() }

// Stage names layer l, for people.
func (m *Modules) Stage(l int) string { return m.spec.Layers[l].Name }

// Widths is the number of values of layer l's width knob, 1 where it has none.
func (m *Modules) Widths(l int) int { return max(1, len(m.spec.Layers[l].Widths)) }

// WidthRatio is value i of layer l's width knob over the default's.
func (m *Modules) WidthRatio(l, i int) float64 {
	widths := m.spec.Layers[l].Widths
	if len(widths) == 0 {
		return 1
	}
	return float64(widths[i]) / float64(widths[m.x0.Layers[l].Width])
}

// GlobalWidth reports that every layer has a width of its own.
func (m *Modules) GlobalWidth() bool { return false }

// Precisions lists layer l's precisions, widest first; empty when the space has none.
func (m *Modules) Precisions(l int) []lut.Precision {
	return slices.Clone(m.spec.Layers[l].Precisions)
}

// Default is the architecture x₀.
func (m *Modules) Default() Arch { return m.x0.Clone() }

// Input is the network's input: channels, height and width.
func (m *Modules) Input() (c, h, w int) {
	return m.spec.Input.Channels, m.spec.Input.Height, m.spec.Input.Width
}

// Modules are the space's modules by key, with their files.
func (m *Modules) Modules() *benchmarks.Library { return &m.lib }

// Validate says why a is not of this space, nil if it is.
func (m *Modules) Validate(a Arch) error {
	if len(a.Layers) != m.Layers() {
		return fmt.Errorf("architecture has %d layers, space %q has %d", len(a.Layers), m.Name(), m.Layers())
	}
	for i, x := range a.Layers {
		l := &m.spec.Layers[i]
		switch {
		case !slices.Contains(l.names(), x.Choice):
			return fmt.Errorf("layer %d (%s): choice %.60q is none of %s", i, l.Name, x.Choice, strings.Join(l.names(), ", "))
		case x.Width < 0 || x.Width >= m.Widths(i):
			return fmt.Errorf("layer %d (%s): width index %d is outside 0 to %d", i, l.Name, x.Width, m.Widths(i)-1)
		case len(l.Precisions) == 0 && x.Precision != "":
			return fmt.Errorf("layer %d (%s): precision %.20q in a space without precisions", i, l.Name, x.Precision)
		case len(l.Precisions) > 0 && !slices.Contains(l.Precisions, x.Precision):
			return fmt.Errorf("layer %d (%s): precision %.20q is none of %v", i, l.Name, x.Precision, l.Precisions)
		}
	}
	return nil
}

// Skipped reports that layer l of a is nothing at all.
func (m *Modules) Skipped(a Arch, l int) bool {
	return m.spec.Layers[l].Skip && a.Layers[l].Choice == skipChoice
}

// SameWidth is the index of the width with which layer l of a is the same network: the
// default's where that is one, else the first.
func (m *Modules) SameWidth(a Arch, l int) int {
	x, own := a.Layers[l], m.x0.Layers[l].Width
	for _, c := range m.spec.Layers[l].Choices {
		if c.Name != x.Choice {
			continue
		}
		same := func(forms []moduleForm) bool { return sameFiles(forms, c.Forms[x.Width]) }
		if same(c.Forms[own]) {
			return own
		}
		return slices.IndexFunc(c.Forms, same)
	}
	return x.Width
}

// partOp is the key of a part in a, kind "" for a skip.
func (m *Modules) partOp(a Arch, p modulePart) lut.Op {
	if p.layer < 0 {
		return p.op
	}
	l, x := &m.spec.Layers[p.layer], a.Layers[p.layer]
	c := slices.IndexFunc(l.Choices, func(c moduleChoice) bool { return c.Name == x.Choice })
	if c < 0 {
		return lut.Op{}
	}
	return p.ops[c][x.Width][max(0, slices.Index(l.Precisions, x.Precision))]
}

// output is the shape of the network's result.
func (m *Modules) output() benchmarks.Shape {
	if head := m.spec.Head; len(head) > 0 {
		return head[len(head)-1].Out
	}
	return m.spec.Layers[len(m.spec.Layers)-1].Out
}

// Lower returns the architecture's keys, first to last, with a switch wherever two
// neighbours' precisions differ. The network's cost is the sum of the keys' costs.
func (m *Modules) Lower(a Arch) (benchmarks.Chain, error) {
	if err := m.Validate(a); err != nil {
		return nil, err
	}
	ops := make([]lut.Op, len(m.parts))
	for i, p := range m.parts {
		ops[i] = m.partOp(a, p)
	}
	return lowered(ops, m.output()), nil
}

// Parts implements Stepper.
func (m *Modules) Parts(Arch) []int {
	out := make([]int, len(m.parts))
	for i, p := range m.parts {
		out[i] = p.layer
	}
	return out
}

// Step implements Stepper; Lower is the sum of all steps.
func (m *Modules) Step(a Arch, i int, in benchmarks.Layout, first bool) (benchmarks.Chain, benchmarks.Layout, error) {
	if i == len(m.parts) {
		return ending(in, m.output()), in, nil
	}
	keys, out := step(m.partOp(a, m.parts[i]), in, first)
	return keys, out, nil
}

// Files are the paths of the space's files below its folder.
func (m *Modules) Files() []string {
	var paths []string
	for _, f := range m.spec.files {
		paths = append(paths, f.path)
	}
	return paths
}

// Model is the network a as one ONNX model of batch 1: the nodes of its modules, one after
// another. It fails like Lower, and where modules are of versions that do not go together.
func (m *Modules) Model(a Arch) ([]byte, error) {
	g, err := m.graph(a, false)
	if err != nil {
		return nil, err
	}
	return onnxwriter.Write(g)
}

// TFLite is Model of the .tflite forms, nil where a module of the network has none.
func (m *Modules) TFLite(a Arch) ([]byte, error) {
	g, err := m.graph(a, true)
	if err != nil {
		return nil, err
	}
	data, err := tflitewriter.Write(g)
	if errors.Is(err, tflitewriter.ErrNoForm) {
		return nil, nil
	}
	return data, err
}

func (m *Modules) graph(a Arch, litert bool) (*graph.Graph, error) {
	chain, err := m.Lower(a)
	if err != nil {
		return nil, err
	}
	return benchmarks.Build(chain, benchmarks.BuildOptions{Modules: &m.lib, LiteRT: litert})
}

// Cautions are what fits and is still worth a word: neighbours in int8 between which a
// runtime converts once more, which is in no module's cost.
//
// ONNX Runtime leaves out a conversion between grids of one zero. In a .tflite model it is
// left out between equal grids alone, so that the network computes what its files compute.
func (m *Modules) Cautions() []string {
	zeros := m.differing(func(op lut.Op) (in, out string, ok bool) {
		x, err := m.lib.Module(op)
		if err != nil {
			return "", "", false
		}
		zero := func(g *onnxmodule.Grid) string {
			if g == nil {
				return ""
			}
			return fmt.Sprint(g.Zero)
		}
		return zero(x.InGrid), zero(x.OutGrid), true
	})
	grids := m.differing(func(op lut.Op) (in, out string, ok bool) {
		x := m.lib.TFLite(op)
		if x == nil {
			return "", "", false
		}
		grid := func(q *tflitefb.Quant) string {
			if q == nil {
				return ""
			}
			return fmt.Sprint(q.Scale, q.Zero)
		}
		return grid(x.InGrid), grid(x.OutGrid), true
	})
	var out []string
	if zeros != "" {
		out = append(out, zeros+" quantise the tensor between them about different zeros: the conversion is in no module's cost; "+
			"let all modules of an interface quantise it alike, symmetrically or calibrated on the same data")
	}
	if grids != "" {
		out = append(out, "LiteRT: "+grids+" quantise the tensor between them on different scales: the conversion is in no module's cost, the calibration of a table takes it on average")
	}
	return out
}

// differing says how many pairs of int8 neighbours of how many hand on something else than
// what is taken, or "" each, with an example; "" where none does. ends are what an operator
// takes and hands on; it is not ok where nothing is known.
func (m *Modules) differing(ends func(op lut.Op) (in, out string, ok bool)) string {
	type end struct{ name, grid string }
	pairs, differ, example := 0, 0, ""
	var before []end
	for _, p := range m.parts {
		ops, name := []lut.Op{p.op}, p.op.Attr("name")
		var after []end
		if p.layer >= 0 {
			l := &m.spec.Layers[p.layer]
			ops, name = nil, l.Name
			for _, widths := range p.ops {
				ops = append(ops, slices.Concat(widths...)...)
			}
			if l.Skip {
				after = before
			}
		}
		for _, op := range ops {
			in, out, ok := ends(op)
			if !ok || op.Precision != lut.INT8 {
				continue
			}
			for _, e := range before {
				if pairs++; e.grid == "" || e.grid != in {
					differ++
					example = fmt.Sprintf("%s and %s of %s", e.name, op.Attr("name"), name)
				}
			}
			after = append(after[:len(after):len(after)], end{op.Attr("name"), out})
		}
		before = after
	}
	if differ == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d pairs of int8 neighbours (%s)", differ, pairs, example)
}

// Cells lists every key any architecture can ask for, without doubles, sorted by their
// text.
func (m *Modules) Cells() []lut.Op {
	var places []place
	for _, p := range m.parts {
		if p.layer < 0 {
			places = append(places, place{ops: []lut.Op{p.op}})
			continue
		}
		at := place{empty: m.spec.Layers[p.layer].Skip}
		for _, widths := range p.ops {
			at.ops = append(at.ops, slices.Concat(widths...)...)
		}
		places = append(places, at)
	}
	cells := keySet{}
	cells.cover(places, m.output())
	return cells.sorted()
}
