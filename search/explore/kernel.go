package explore

import (
	"math"

	"github.com/isocost/isocost/search/space"
)

// features hold what a kernel sees of an architecture.
type features struct {
	at     []int32   // of each column of the encoder the setting's number
	counts []float64 // how many layers have each choice, by name over the whole space
}

// encoder turns architectures of one space into features, and tells how far apart they are.
type encoder struct {
	s       space.Space
	names   map[string]int
	columns []*column
}

// column is what distances are summed over: a layer's choice and width, or its precision.
type column struct {
	layer   int
	differ  func(a, b setting) float64
	numbers map[space.Layer]int32
	seen    []setting   // by number
	rows    [][]float64 // by number: how far the settings seen are from this one, as far as was asked for
}

// setting is a layer's in numbers.
type setting struct {
	choice    string
	counted   int     // where the choice is counted
	width     float64 // logarithm of the width ratio
	precision int
}

// keptRows bounds the settings of a layer whose distances from each other are kept.
const keptRows = 512

func newEncoder(s space.Space) *encoder {
	e := &encoder{s: s, names: map[string]int{}}
	for l := range s.Layers() {
		for _, c := range s.Choices(l) {
			if _, ok := e.names[c]; !ok {
				e.names[c] = len(e.names)
			}
		}
		e.columns = append(e.columns, &column{layer: l, differ: inChoice, numbers: map[space.Layer]int32{}})
		if len(s.Precisions(l)) > 1 {
			e.columns = append(e.columns, &column{layer: l, differ: inPrecision, numbers: map[space.Layer]int32{}})
		}
	}
	return e
}

func (e *encoder) encode(a space.Arch) features {
	f := features{at: make([]int32, len(e.columns)), counts: make([]float64, len(e.names))}
	for i, c := range e.columns {
		f.at[i] = c.number(e, a.Layers[c.layer])
		if i == 0 || e.columns[i-1].layer != c.layer {
			f.counts[c.seen[f.at[i]].counted]++
		}
	}
	return f
}

// number is the setting's, counted in the order in which settings were first seen.
func (c *column) number(e *encoder, x space.Layer) int32 {
	n, ok := c.numbers[x]
	if !ok {
		n = int32(len(c.seen))
		c.numbers[x] = n
		one := setting{choice: x.Choice, counted: e.names[x.Choice], width: math.Log(e.s.WidthRatio(c.layer, x.Width))}
		for i, p := range e.s.Precisions(c.layer) {
			if p == x.Precision {
				one.precision = i
			}
		}
		c.seen, c.rows = append(c.seen, one), append(c.rows, nil)
	}
	return n
}

// Parts of a layer's distance, a different choice being 1.
const (
	widthPart     = 0.5 // of widths a factor e apart or more
	precisionPart = 0.3 // of different precisions
)

func inChoice(a, b setting) float64 {
	if a.choice != b.choice {
		return 1
	}
	return widthPart * min(1, math.Abs(a.width-b.width))
}

func inPrecision(a, b setting) float64 {
	if a.choice != b.choice || a.precision == b.precision {
		return 0
	}
	return precisionPart
}

// row holds how far each setting seen is from the n-th.
func (c *column) row(n int32) []float64 {
	row := c.rows[n]
	for i := len(row); i < len(c.seen); i++ {
		row = append(row, c.differ(c.seen[n], c.seen[i]))
	}
	if len(c.seen) <= keptRows {
		c.rows[n] = row
	}
	return row
}

// distance is how far two architectures are apart: by the Hamming distance of the layers'
// choices, with a part for widths and precisions of equal choices; and by the square of the
// distance of the counts of choices.
type distance struct{ layers, counts2 float64 }

// distances appends those of x from each of the others.
func (e *encoder) distances(to []distance, x *features, others []features) []distance {
	rows := make([][]float64, len(e.columns))
	for i, c := range e.columns {
		rows[i] = c.row(x.at[i])
	}
	for len(others) >= 4 { // four sums that need not wait for each other
		a, b, c, d := others[0].at, others[1].at, others[2].at, others[3].at
		var s, t, u, v float64
		for i, row := range rows {
			s += row[a[i]]
			t += row[b[i]]
			u += row[c[i]]
			v += row[d[i]]
		}
		to = append(to, distance{s, x.counts2(&others[0])}, distance{t, x.counts2(&others[1])},
			distance{u, x.counts2(&others[2])}, distance{v, x.counts2(&others[3])})
		others = others[4:]
	}
	for i := range others {
		sum := 0.0
		for j, row := range rows {
			sum += row[others[i].at[j]]
		}
		to = append(to, distance{sum, x.counts2(&others[i])})
	}
	return to
}

func (f *features) counts2(other *features) float64 {
	sum := 0.0
	for i, n := range f.counts {
		d := n - other.counts[i]
		sum += float64(d * d)
	}
	return sum
}

// kernel is the covariance of two architectures' utilities, at most 1:
//
//	k = (1−smooth)·exp(−d/scale) + smooth·exp(−c²/2·within²)
//
// with d the distance by layers and c that by counts: networks that have the same operators
// in other places are alike.
type kernel struct {
	scale  float64 // layers
	smooth float64 // share of the part by counts
	within float64 // layers
}

func (k kernel) of(d distance) float64 {
	v := k.byLayers(d)
	if k.smooth > 0 {
		v += k.byCounts(d)
	}
	return v
}

func (k kernel) byLayers(d distance) float64 { return (1 - k.smooth) * math.Exp(-d.layers/k.scale) }

func (k kernel) byCounts(d distance) float64 {
	return float64(k.smooth * math.Exp(-d.counts2/(2*k.within*k.within)))
}
