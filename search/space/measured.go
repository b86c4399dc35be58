package space

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
)

// Kinds of space, the field "kind" of a space file.
const (
	KindMeasured = "measured" // architectures are networks; the default
	KindTabular  = "tabular"  // architectures are rows of a table
)

// Measured is a space whose architectures are networks: a macro template (input,
// stem, stages, head) with mutable layers.
//
// Width. With scope "layer" the multiplier s of a layer scales only the expanded
// channels of its own block: mid = round(s·e·c) to the divisor, with c the
// block's input channels (mbconv, fusedmbconv) or output channels (resbasic,
// resbottleneck, convnext, encoder). So a layer's cost is a one-dimensional
// staircase per (choice, precision), and changing one layer changes one term of
// the sum. With scope "global" one multiplier scales the channels of every stage
// and fixed part (except linear and parts marked scale: false), and mid follows.
//
// Precision. Fixed parts have their own (the widest unless the file says so);
// the network's input and output are fp32. Where two neighbours differ, Lower
// puts a switch.
type Measured struct {
	spec  spec
	hash  string
	text  []byte
	slots []slot    // mutable layers, first to last
	x0    Arch      // the default
	runs  []network // one a global width, or one
}

// slot is one mutable layer.
type slot struct {
	stage      int
	stride     int
	choices    []int // indices of spec.Choices allowed here
	names      []string
	ratios     []float64
	precisions []lut.Precision
	same       bool // the layer keeps the shape, so that a skip is nothing
}

// network is the template at one global width: shapes are known everywhere.
type network struct {
	ratio float64
	parts []part
}

// part is a fixed operator (slot −1) or a mutable layer.
type part struct {
	slot      int
	in        shape
	unit      Unit
	stride    int
	cout      int
	precision lut.Precision // fixed parts
}

var _ Lowerer = (*Measured)(nil)

// ReadMeasured parses a space file of kind measured; name is the file's, for
// errors, which carry file:line and a hint. Every problem found is in the error,
// one per line.
func ReadMeasured(name string, data []byte) (*Measured, error) {
	r := &reader{file: name}
	root := r.parse(data)
	if root == nil {
		return nil, r.err()
	}
	m := &Measured{spec: *r.spec(root)}
	if len(r.problems) == 0 {
		m.build(r)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return m, nil
}

// OpenMeasured reads a space file of kind measured from disk.
func OpenMeasured(path string) (*Measured, error) {
	data, err := spaceFile(path)
	if err != nil {
		return nil, err
	}
	return ReadMeasured(path, data)
}

// build checks the spec as a whole – that every choice fits where it stands –
// and prepares the lookups.
func (m *Measured) build(r *reader) {
	s := &m.spec
	at := func(line int) *yaml.Node { return &yaml.Node{Line: line} }
	ratios := []float64{1}
	if s.Width.Scope == scopeGlobal {
		ratios = s.Width.Ratios
	}
	for g, ratio := range ratios {
		net := network{ratio: ratio}
		sh := shape{c: s.Input.Channels, h: s.Input.Height, w: s.Input.Width}
		scaled := func(c int, scale bool) int {
			if s.Width.Scope != scopeGlobal || !scale {
				return c
			}
			return Round(float64(c)*ratio, s.Width.Divisor)
		}
		fixed := func(parts []fixedSpec) bool {
			for _, f := range parts {
				p := part{slot: -1, in: sh, unit: f.Unit, stride: f.S, cout: scaled(f.Out, f.Scale), precision: f.Precision}
				op, out, err := f.Unit.op(sh, f.S, p.cout, 0, f.Precision)
				if err == nil && op.Kind != "" {
					err = benchmarks.Check(op)
				}
				if err != nil {
					r.fail(at(f.line), "", "%s: %v", f.Op, err)
					return false
				}
				net.parts = append(net.parts, p)
				sh = out
			}
			return true
		}
		if !fixed(s.Stem) {
			return
		}
		n := 0
		for i := range s.Stages {
			st := &s.Stages[i]
			if !fixed(st.Entry) {
				return
			}
			cout := scaled(st.Channels, true)
			for j := range st.Layers {
				stride := 1
				if j == 0 {
					stride = st.Stride
				}
				if n >= maxLayers {
					r.fail(at(st.line), "", "over %d mutable layers", maxLayers)
					return
				}
				sl := slot{stage: i, stride: stride, ratios: st.Ratios, precisions: st.Precisions}
				var out shape
				for _, name := range st.Choices {
					c := slices.IndexFunc(s.Choices, func(c choiceSpec) bool { return c.Name == name })
					u := s.Choices[c].Unit
					op, o, err := u.op(sh, stride, cout, m.mid(u, sh.c, cout, 1), lut.FP32)
					if err == nil && op.Kind != "" {
						err = benchmarks.Check(op)
					}
					if u.Op == "skip" && err != nil {
						continue // skip stands only where shapes allow
					}
					if err != nil {
						r.fail(at(st.line), "list under this stage's choices only what fits", "stage %q, layer %d: choice %q: %v", st.Name, j, name, err)
						return
					}
					sl.choices, sl.names, out = append(sl.choices, c), append(sl.names, name), o
				}
				if len(sl.choices) == 0 {
					r.fail(at(st.line), "add a choice that is not skip", "stage %q, layer %d: no choice fits", st.Name, j)
					return
				}
				net.parts = append(net.parts, part{slot: n, in: sh, stride: stride, cout: cout})
				sl.same = out == sh
				sh = out
				if g == 0 {
					m.slots = append(m.slots, sl)
				} else if len(m.slots[n].choices) != len(sl.choices) {
					r.fail(at(st.line), "use a smaller divisor or other channels",
						"stage %q, layer %d: at width %g other choices fit than at width %g", st.Name, j, ratio, ratios[0])
					return
				}
				n++
			}
		}
		if !fixed(s.Head) {
			return
		}
		m.runs = append(m.runs, net)
	}
	m.buildDefault(r)
	seen := map[string]bool{}
	for _, st := range s.Stages {
		if seen[st.Name] {
			r.fail(at(st.line), "", "stage name %q is duplicate", st.Name)
		}
		seen[st.Name] = true
	}
	text, err := json.Marshal(s)
	if err != nil { // floats are finite and strings valid by construction
		r.fail(nil, "", "%v", err)
		return
	}
	sum := sha256.Sum256(text)
	m.text, m.hash = text, hex.EncodeToString(sum[:])
}

func (m *Measured) buildDefault(r *reader) {
	d := m.spec.Default
	at := &yaml.Node{Line: d.line}
	for l, sl := range m.slots {
		st := m.spec.Stages[sl.stage]
		x := Layer{Choice: st.Default, Width: slices.Index(sl.ratios, d.Width), Precision: d.Precision}
		switch {
		case !slices.Contains(sl.names, x.Choice):
			r.fail(at, "name another default choice under the stage", "default choice %q is not one of layer %d (stage %q): %s", x.Choice, l, st.Name, strings.Join(sl.names, ", "))
			return
		case x.Width < 0:
			r.fail(at, "", "default width %g is not on the grid of layer %d (stage %q)", d.Width, l, st.Name)
			return
		}
		if !slices.Contains(sl.precisions, d.Precision) {
			if len(sl.precisions) == 0 && d.Precision == "" {
				// a space without precisions
			} else if len(sl.precisions) > 0 && st.Precisions != nil {
				x.Precision = sl.precisions[0]
			} else {
				r.fail(at, "", "default precision %q is not one of layer %d", d.Precision, l)
				return
			}
		}
		m.x0.Layers = append(m.x0.Layers, x)
	}
}

// mid is the expanded channels of a unit at multiplier s, 0 if it has none.
func (m *Measured) mid(u Unit, cin, cout int, s float64) int {
	k := unitKinds[u.Op]
	if !k.mid {
		return 0
	}
	ref := cout
	if k.refIn {
		ref = cin
	}
	return Round(s*u.E*float64(ref), m.spec.Width.Divisor)
}

// Name is the space's own name.
func (m *Measured) Name() string { return m.spec.Name }

// Hash is the SHA-256, in hex, of Canonical.
func (m *Measured) Hash() string { return m.hash }

// Canonical is the space's canonical text: JSON with every default filled in.
// Space files that differ in comments, order of fields or spelled-out defaults
// have the same.
func (m *Measured) Canonical() []byte { return slices.Clone(m.text) }

// Layers is the number of mutable layers.
func (m *Measured) Layers() int { return len(m.slots) }

// Choices lists the names of layer l's choices, in the file's order.
func (m *Measured) Choices(l int) []string { return slices.Clone(m.slots[l].names) }

// Stage names the stage of layer l, for people.
func (m *Measured) Stage(l int) string { return m.spec.Stages[m.slots[l].stage].Name }

// Widths is the number of points of layer l's width grid.
func (m *Measured) Widths(l int) int { return len(m.slots[l].ratios) }

// WidthRatio is the multiplier of point i of layer l's width grid.
func (m *Measured) WidthRatio(l, i int) float64 { return m.slots[l].ratios[i] }

// GlobalWidth reports that all layers share one width.
func (m *Measured) GlobalWidth() bool { return m.spec.Width.Scope == scopeGlobal }

// Precisions lists layer l's precisions, widest first; empty when the space has none.
func (m *Measured) Precisions(l int) []lut.Precision { return slices.Clone(m.slots[l].precisions) }

// Default is the architecture x₀.
func (m *Measured) Default() Arch { return m.x0.Clone() }

// Input is the network's input: channels, height and width.
func (m *Measured) Input() (c, h, w int) {
	return m.spec.Input.Channels, m.spec.Input.Height, m.spec.Input.Width
}

// Validate says why a is not of this space, nil if it is.
func (m *Measured) Validate(a Arch) error {
	if len(a.Layers) != len(m.slots) {
		return fmt.Errorf("architecture has %d layers, space %q has %d", len(a.Layers), m.Name(), len(m.slots))
	}
	for l, x := range a.Layers {
		sl := &m.slots[l]
		switch {
		case !slices.Contains(sl.names, x.Choice):
			return fmt.Errorf("layer %d: choice %.60q is none of %s", l, x.Choice, strings.Join(sl.names, ", "))
		case x.Width < 0 || x.Width >= len(sl.ratios):
			return fmt.Errorf("layer %d: width index %d is outside 0 to %d", l, x.Width, len(sl.ratios)-1)
		case len(sl.precisions) == 0 && x.Precision != "":
			return fmt.Errorf("layer %d: precision %.20q in a space without precisions", l, x.Precision)
		case len(sl.precisions) > 0 && !slices.Contains(sl.precisions, x.Precision):
			return fmt.Errorf("layer %d: precision %.20q is none of %v", l, x.Precision, sl.precisions)
		case m.GlobalWidth() && x.Width != a.Layers[0].Width:
			return fmt.Errorf("layer %d: width index %d differs from layer 0's %d, but the width is global", l, x.Width, a.Layers[0].Width)
		}
	}
	return nil
}

// Skipped reports that layer l of a is nothing at all: its width and precision
// change neither the network nor its cost.
func (m *Measured) Skipped(a Arch, l int) bool {
	return m.slots[l].same && m.unitOf(l, a.Layers[l].Choice).Op == "skip"
}

func (m *Measured) unitOf(l int, choice string) Unit {
	sl := &m.slots[l]
	return m.spec.Choices[sl.choices[slices.Index(sl.names, choice)]].Unit
}

func (m *Measured) network(a Arch) *network {
	if m.GlobalWidth() {
		return &m.runs[a.Layers[0].Width]
	}
	return &m.runs[0]
}

// layerOp is the key of mutable layer l at one setting, kind "" for a skip.
func (m *Measured) layerOp(p part, choice string, width int, prec lut.Precision) (lut.Op, error) {
	u := m.unitOf(p.slot, choice)
	s := 1.0 // of mid; a global width is already in the channels
	if !m.GlobalWidth() {
		s = m.slots[p.slot].ratios[width]
	}
	op, _, err := u.op(p.in, p.stride, p.cout, m.mid(u, p.in.c, p.cout, s), cmp.Or(prec, lut.FP32))
	return op, err
}

// Lower returns the architecture's keys, first to last, with a switch wherever
// two neighbours' precisions differ (the network's input and output are fp32).
// The network's cost is the sum of the keys' costs.
func (m *Measured) Lower(a Arch) (benchmarks.Chain, error) {
	if err := m.Validate(a); err != nil {
		return nil, err
	}
	net := m.network(a)
	var ops []lut.Op
	for i := range net.parts {
		op, err := m.partOp(a, net.parts[i])
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return lowered(ops, net.output().tensor()), nil
}

// partOp is the operator of a part in a, kind "" for one that is nothing.
func (m *Measured) partOp(a Arch, p part) (lut.Op, error) {
	if p.slot < 0 {
		op, _, err := p.unit.op(p.in, p.stride, p.cout, 0, p.precision)
		return op, err
	}
	x := a.Layers[p.slot]
	op, err := m.layerOp(p, x.Choice, x.Width, x.Precision)
	if err != nil {
		return op, fmt.Errorf("layer %d: choice %q: %w", p.slot, x.Choice, err)
	}
	return op, nil
}

// output is the shape of the network's result.
func (n *network) output() shape {
	p := n.parts[len(n.parts)-1]
	if p.slot >= 0 {
		return shape{c: p.cout, h: (p.in.h + p.stride - 1) / p.stride, w: (p.in.w + p.stride - 1) / p.stride, seq: p.in.seq}
	}
	_, out, _ := p.unit.op(p.in, p.stride, p.cout, 0, p.precision)
	return out
}

// tensor is the shape in the catalogue's terms.
func (s shape) tensor() benchmarks.Shape {
	switch {
	case s.seq:
		return benchmarks.Shape{s.h * s.w, s.c}
	case s.h == 1 && s.w == 1:
		return benchmarks.Shape{s.c}
	}
	return benchmarks.Shape{s.c, s.h, s.w}
}

// Cells lists every key any architecture can ask for, without doubles, sorted by
// their text.
func (m *Measured) Cells() []lut.Op {
	cells := keySet{}
	for i := range m.runs {
		net := &m.runs[i]
		var places []place
		for _, p := range net.parts {
			if p.slot < 0 {
				op, _, _ := p.unit.op(p.in, p.stride, p.cout, 0, p.precision)
				places = append(places, place{ops: []lut.Op{op}})
				continue
			}
			places = append(places, m.place(p))
		}
		cells.cover(places, net.output().tensor())
	}
	return cells.sorted()
}

// place holds the operators of a mutable layer in all its settings.
func (m *Measured) place(p part) (at place) {
	sl := &m.slots[p.slot]
	precisions := sl.precisions
	if len(precisions) == 0 {
		precisions = []lut.Precision{lut.FP32}
	}
	for _, name := range sl.names {
		if sl.same && m.unitOf(p.slot, name).Op == "skip" {
			at.empty = true
			continue
		}
		for w := range sl.ratios {
			for _, prec := range precisions {
				if op, err := m.layerOp(p, name, w, prec); err == nil {
					at.ops = append(at.ops, op)
				}
			}
		}
	}
	return at
}
