package search

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/space"
)

// TensorFormat is the first field of a file of costs as dense arrays.
const TensorFormat = "isocost/tensor/v1"

// Tensor holds the costs of a space as dense arrays, for programs that take gradients of
// them. A network is a walk over parts, which are fixed or a mutable layer each. What a
// part adds is its own cost, and what stands between it and the parts before it: a switch
// of precision, say. The latter depends on how the tensor before the part lies, its state,
// and on nothing else; and the part's setting says how its result lies. So the sum over
// any architecture follows from two arrays per part, layer × choice × width × precision
// alone and with the state before it, and so does its expectation over independent random
// layers, exactly: the states' probabilities are handed on from part to part.
type Tensor struct {
	Format string        `json:"format"`
	Space  TensorSpace   `json:"space"`
	Layers []TensorLayer `json:"layers"`
	// States lists how tensors lie between parts. The first is the beginning: no part has
	// had a kernel yet.
	States []TensorState `json:"states"`
	// Grids has one entry per width where the width is one setting for all layers, and
	// one otherwise.
	Grids  []TensorGrid  `json:"grids"`
	Tables []TensorTable `json:"tables"`
}

// TensorSpace names the space.
type TensorSpace struct {
	Name        string `json:"name"`
	SHA256      string `json:"sha256"`
	GlobalWidth bool   `json:"global_width"`
}

// TensorLayer has the axes of a mutable layer. Under a global width its own width axis has
// one point in every grid.
type TensorLayer struct {
	Choices    []string        `json:"choices"`
	Widths     []float64       `json:"widths"`     // ratios
	Precisions []lut.Precision `json:"precisions"` // one "" in spaces without precision
	Default    space.Layer     `json:"default"`
}

// TensorState is a tensor's precision and layout between two parts.
type TensorState struct {
	Precision lut.Precision `json:"precision"`
	Plain     bool          `json:"plain"`
}

// TensorGrid has what no table changes.
type TensorGrid struct {
	Parts []TensorPart `json:"parts"`
}

// TensorPart is one part of the walk; the last is the end of the network. Arrays are
// [state][choice][width][precision], of one choice, width and precision in a fixed part.
type TensorPart struct {
	Layer   int         `json:"layer"`   // −1: fixed
	Next    [][][][]int `json:"next"`    // the state after it; −1: no architecture comes here
	Kernels [][][][]int `json:"kernels"` // how many it adds
}

// TensorTable has one table's costs, in its unit.
type TensorTable struct {
	Name     string  `json:"name"`
	Metric   string  `json:"metric"`
	Unit     string  `json:"unit"`
	Overhead float64 `json:"overhead"` // added to every sum
	// Calibration turns sum and number of kernels into the cost; absent for none.
	Calibration *TensorCalibration `json:"calibration,omitempty"`
	Grids       []TensorCosts      `json:"grids"`
}

// TensorCalibration is the part of lut.Calibration that prices.
type TensorCalibration struct {
	A     float64      `json:"a"`
	B     float64      `json:"b"`
	C     float64      `json:"c"`
	SumLo float64      `json:"sum_lo"`
	Curve [][2]float64 `json:"curve"`
}

// TensorCosts are a table's costs of one grid, per part.
type TensorCosts struct {
	Own     [][][][]float64 `json:"own"`     // [part][choice][width][precision]
	Between [][][][][]cell  `json:"between"` // [part][state][choice][width][precision]
}

// cell is a cost, NaN and null where no architecture comes.
type cell float64

// MarshalJSON implements json.Marshaler.
func (c cell) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(c)) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(c))
}

// Encode returns the file, one line.
func (t *Tensor) Encode() ([]byte, error) {
	line, err := strictjson.Line(t)
	return append(line, '\n'), err
}

// opPrice prices one operator in a table's unit.
type opPrice func(op lut.Op) (float64, error)

// NewTensor lays out what the bands' tables say of all parts of the space. It fails where
// a cost is not a sum over parts – memory, rows of a benchmark – and for keys that a table
// lacks.
func NewTensor(s space.Stepper, bands []Band) (*Tensor, error) {
	t := &Tensor{Format: TensorFormat, Space: TensorSpace{s.Name(), s.Hash(), s.GlobalWidth()}, States: []TensorState{{}}}
	x0 := s.Default()
	for l := range s.Layers() {
		layer := TensorLayer{Choices: s.Choices(l), Precisions: s.Precisions(l), Default: x0.Layers[l]}
		for i := range s.Widths(l) {
			layer.Widths = append(layer.Widths, s.WidthRatio(l, i))
		}
		if len(layer.Precisions) == 0 {
			layer.Precisions = []lut.Precision{""}
		}
		t.Layers = append(t.Layers, layer)
	}
	var prices []opPrice
	for _, b := range bands {
		table, price, err := tensorTable(b)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", b.Name, err)
		}
		t.Tables, prices = append(t.Tables, table), append(prices, price)
	}
	globals := 1
	if t.Space.GlobalWidth {
		globals = len(t.Layers[0].Widths)
	}
	w := &tensorWalk{s: s, t: t, prices: prices, known: map[string]float64{}}
	if err := w.states(globals); err != nil {
		return nil, err
	}
	for g := range globals {
		if err := w.grid(g); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func tensorTable(b Band) (TensorTable, opPrice, error) {
	out := TensorTable{Name: b.Name, Unit: b.Unit}
	switch c := b.Cost.(type) {
	case *CountCost:
		out.Metric = c.metric
		return out, c.count, nil
	case interface{ Compiled() *lut.Table }:
		table := c.Compiled()
		if table == nil {
			break
		}
		f := table.File()
		if f.Metric == lut.Memory {
			return out, nil, hint.Wrap(errors.New("a network's memory is not the sum of its parts'"), "leave memory tables out of --tensor")
		}
		out.Metric = string(f.Metric)
		if f.Overhead != nil {
			out.Overhead = f.Overhead.Value
		}
		if cal := f.Calibration; cal != nil {
			out.Calibration = &TensorCalibration{A: cal.A, B: cal.B, C: cal.C, SumLo: cal.SumLo, Curve: [][2]float64{}}
			for _, p := range cal.Curve {
				out.Calibration.Curve = append(out.Calibration.Curve, [2]float64{p.X, p.Y})
			}
		}
		return out, func(op lut.Op) (float64, error) {
			v, err := table.Cost(op)
			return v.Value, err
		}, nil
	}
	return out, nil, hint.Wrap(errors.New("its costs are not sums over layers"), "--tensor wants compiled tables, space:flops or space:params")
}

// tensorWalk fills a tensor.
type tensorWalk struct {
	s      space.Stepper
	t      *Tensor
	prices []opPrice
	known  map[string]float64 // price by table and key
	// reached[g][part] are the states in which part is come to.
	reached [][][]bool
}

// axes are the sizes of a part's arrays.
func (w *tensorWalk) axes(layer int) (choices, widths, precisions int) {
	if layer < 0 {
		return 1, 1, 1
	}
	l := w.t.Layers[layer]
	widths = len(l.Widths)
	if w.t.Space.GlobalWidth {
		widths = 1
	}
	return len(l.Choices), widths, len(l.Precisions)
}

// arch is the default at global width g, with one layer set.
func (w *tensorWalk) arch(g, layer, c, i, p int) space.Arch {
	a := w.s.Default()
	if w.t.Space.GlobalWidth {
		for l := range a.Layers {
			a.Layers[l].Width = g
		}
		i = g
	}
	if layer >= 0 {
		l := w.t.Layers[layer]
		a.Layers[layer] = space.Layer{Choice: l.Choices[c], Width: i, Precision: l.Precisions[p]}
	}
	return a
}

// step walks one part from one state.
func (w *tensorWalk) step(a space.Arch, part, state int) (benchmarks.Chain, benchmarks.Layout, error) {
	in := benchmarks.Layout(w.t.States[state])
	return w.s.Step(a, part, in, state == 0)
}

// states finds every state that some architecture's tensors are in before each part.
func (w *tensorWalk) states(globals int) error {
	for g := range globals {
		parts := w.s.Parts(w.arch(g, -1, 0, 0, 0))
		now := []bool{true}
		var reached [][]bool
		for i, layer := range append(slices.Clone(parts), -1) {
			reached = append(reached, now)
			next := map[int]bool{}
			err := w.settings(layer, func(c, width, p int) error {
				a := w.arch(g, layer, c, width, p)
				for s := range now {
					if !now[s] {
						continue
					}
					keys, out, err := w.step(a, i, s)
					if err != nil {
						return err
					}
					next[w.after(s, keys, out)] = true
				}
				return nil
			})
			if err != nil {
				return err
			}
			now = make([]bool, len(w.t.States))
			for s := range next {
				now[s] = true
			}
		}
		w.reached = append(w.reached, reached)
	}
	return nil
}

// after is the state after a part: as before where it is nothing.
func (w *tensorWalk) after(state int, keys benchmarks.Chain, out benchmarks.Layout) int {
	if len(keys) == 0 {
		return state
	}
	want := TensorState(out)
	if i := slices.Index(w.t.States[1:], want); i >= 0 {
		return i + 1
	}
	w.t.States = append(w.t.States, want)
	return len(w.t.States) - 1
}

// settings calls f with every setting of a part.
func (w *tensorWalk) settings(layer int, f func(c, width, p int) error) error {
	nc, nw, np := w.axes(layer)
	for c := range nc {
		for i := range nw {
			for p := range np {
				if err := f(c, i, p); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// grid prices all parts at global width g.
func (w *tensorWalk) grid(g int) error {
	parts := append(w.s.Parts(w.arch(g, -1, 0, 0, 0)), -1)
	var grid TensorGrid
	costs := make([]TensorCosts, len(w.t.Tables))
	for i, layer := range parts {
		nc, nw, np := w.axes(layer)
		part := TensorPart{Layer: layer}
		own := make([][][][]float64, len(costs))
		between := make([][][][][]cell, len(costs))
		for k := range costs {
			own[k] = array(nc, nw, np, 0.0)
		}
		for s := range w.t.States {
			next, kernels := array(nc, nw, np, -1), array(nc, nw, np, 0)
			extra := make([][][][]cell, len(costs))
			for k := range extra {
				extra[k] = array(nc, nw, np, cell(math.NaN()))
			}
			if s < len(w.reached[g][i]) && w.reached[g][i][s] {
				err := w.settings(layer, func(c, width, p int) error {
					keys, out, err := w.step(w.arch(g, layer, c, width, p), i, s)
					if err != nil {
						return err
					}
					next[c][width][p], kernels[c][width][p] = w.after(s, keys, out), len(keys)
					for k := range costs {
						before, self, err := w.price(k, keys, i == len(parts)-1)
						if err != nil {
							return err
						}
						extra[k][c][width][p], own[k][c][width][p] = cell(before), self
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			part.Next, part.Kernels = append(part.Next, next), append(part.Kernels, kernels)
			for k := range costs {
				between[k] = append(between[k], extra[k])
			}
		}
		grid.Parts = append(grid.Parts, part)
		for k := range costs {
			costs[k].Own, costs[k].Between = append(costs[k].Own, own[k]), append(costs[k].Between, between[k])
		}
	}
	w.t.Grids = append(w.t.Grids, grid)
	for k := range costs {
		w.t.Tables[k].Grids = append(w.t.Tables[k].Grids, costs[k])
	}
	return nil
}

// price splits what a part adds into what stands before its operator and the operator; at
// the end of the network all stands before it.
func (w *tensorWalk) price(table int, keys benchmarks.Chain, end bool) (before, self float64, err error) {
	for i, op := range keys {
		key := fmt.Sprint(table, " ", op)
		v, ok := w.known[key]
		if !ok {
			if v, err = w.prices[table](op); err != nil {
				return 0, 0, fmt.Errorf("table %s: %w", w.t.Tables[table].Name, err)
			}
			w.known[key] = v
		}
		if i == len(keys)-1 && !end {
			self = v
		} else {
			before += v
		}
	}
	return before, self, nil
}

// array is [a][b][c] of v.
func array[T any](a, b, c int, v T) [][][]T {
	out := make([][][]T, a)
	for i := range out {
		out[i] = make([][]T, b)
		for j := range out[i] {
			out[i][j] = slices.Repeat([]T{v}, c)
		}
	}
	return out
}
