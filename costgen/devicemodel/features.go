package devicemodel

import (
	"math"

	"github.com/isocost/isocost/lut"
)

// The continuous features of a kernel, logarithms all.
const (
	fMACs = iota
	fRead
	fWritten
	fWeights
	fRows
	fCin
	fCout
	fWindow
	fStride
	fGroups
	fIntensity
	fTail4In // what padding channels to blocks of 4, 8, 16 adds
	fTail8In
	fTail16In
	fTail4Out
	fTail8Out
	fTail16Out
	fTailWidth // what padding the map's width to tiles of 4 adds
	fAxis0     // the key's own axes
	fAxis1
	fAxis2
	fAxis3
	fAxis4
	fAxis5
	features
)

// physicsTerms are the quantities that the mean prices, for one kernel.
const physicsTerms = 6

// featureNames are what tables call the features; a name stays with its meaning.
var featureNames = [features]string{"macs", "read", "written", "weights", "rows", "cin", "cout", "window", "stride", "groups", "intensity",
	"tail4_in", "tail8_in", "tail16_in", "tail4_out", "tail8_out", "tail16_out", "tail_width", "axis0", "axis1", "axis2", "axis3", "axis4", "axis5"}

// physicsNames are what tables call the quantities that the mean prices.
var physicsNames = [physicsTerms]string{"dispatch", "mac", "byte_read", "byte_written", "byte_of_weights", "far_byte_of_weights"}

// site is a kernel as the model sees it.
type site struct {
	op      lut.Op
	group   string
	x       [features]float64
	physics [physicsTerms]float64
	cats    []lut.Attr // categorical properties, sorted by name
}

// farWeights is the size from which weights no longer stay in a core's own cache between two
// inferences, in bytes.
const farWeights = 512 << 10

func newSite(op lut.Op) site {
	w := workOf(op)
	s := site{op: op, group: groupOf(op)}
	log := func(v float64) float64 { return math.Log(max(v, 1)) }
	s.x[fMACs], s.x[fRead], s.x[fWritten], s.x[fWeights] = log(w.macs), log(w.read), log(w.written), log(w.weights)
	s.x[fRows], s.x[fCin], s.x[fCout] = log(w.rows), log(w.cin), log(w.cout)
	s.x[fWindow], s.x[fStride], s.x[fGroups] = log(w.window), log(w.stride), log(w.groups)
	s.x[fIntensity] = log(w.macs) - log(w.read+w.written+w.weights)
	s.x[fTail4In], s.x[fTail8In], s.x[fTail16In] = tail(w.cin, 4), tail(w.cin, 8), tail(w.cin, 16)
	s.x[fTail4Out], s.x[fTail8Out], s.x[fTail16Out] = tail(w.cout, 4), tail(w.cout, 8), tail(w.cout, 16)
	s.x[fTailWidth] = tail(w.width, 4)
	if w.macs == 0 || op.Kind != "conv" && op.Kind != "dwconv" && op.Kind != "linear" {
		for i, c := range op.At[:min(len(op.At), 6)] {
			s.x[fAxis0+i] = log(float64(c.Value))
		}
	}
	s.physics = [physicsTerms]float64{1, w.macs, w.read, w.written, w.weights, max(0, w.weights-farWeights)}
	s.cats = append(s.cats, lut.Attr{Name: "precision", Value: string(op.Precision)})
	for _, a := range op.Attrs {
		if a.Name != "p" { // what padding does is in the sizes
			s.cats = append(s.cats, a)
		}
	}
	return s
}

// tail is the logarithm of what rounding up to a multiple of n adds.
func tail(v float64, n float64) float64 {
	return math.Log(math.Ceil(v/n) * n / max(v, 1))
}

// groupOf says which kernels share a process: those of a kind.
func groupOf(op lut.Op) string { return op.Kind }
