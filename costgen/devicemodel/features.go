package devicemodel

import (
	"math"
	"strconv"
	"strings"

	"github.com/isocost/isocost/benchmarks"
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
	fOutOfGroup
	fIntensity
	fTail4In // what padding channels to blocks of 4, 8, 16 adds
	fTail8In
	fTail16In
	fTail4Out
	fTail8Out
	fTail16Out
	fTail64Out // … and of 64 and 256: groups of threads
	fTail256Out
	fTailWidth // what padding the map's width to tiles of 4 adds
	fAxis0     // the key's own axes
	fAxis1
	fAxis2
	fAxis3
	fAxis4
	fAxis5
	fTailThreads // what a convolution's last wave of threads lacks
	features
)

// physicsTerms are the quantities that the mean prices, for one kernel.
const physicsTerms = 6

// featureNames are what tables call the features; a name stays with its meaning.
var featureNames = [features]string{"macs", "read", "written", "weights", "rows", "cin", "cout", "window", "stride", "groups", "out_of_group", "intensity",
	"tail4_in", "tail8_in", "tail16_in", "tail4_out", "tail8_out", "tail16_out", "tail64_out", "tail256_out", "tail_width", "axis0", "axis1", "axis2", "axis3", "axis4", "axis5", "tail_threads"}

// physicsNames are what tables call the quantities that the mean prices.
var physicsNames = [physicsTerms]string{"dispatch", "mac", "byte_read", "byte_written", "byte_of_weights", "far_byte_of_weights"}

// site is a kernel as the model sees it.
type site struct {
	op      lut.Op
	group   string
	tariff  tariff
	x       [features]float64
	physics [physicsTerms - 1]float64 // all but the last
	// unrolled are the bytes that a convolution reads whose windows are copied out before they
	// are multiplied; 0 of all others.
	unrolled float64
	cats     []lut.Attr // categorical properties, sorted by name
}

// FarWeights is the size from which weights no longer stay in a core's own cache between two
// inferences, in bytes: half of it.
func FarWeights(c lut.Caches) float64 { return float64(c.Usual().Core / 2) }

// amounts are the quantities that the mean prices, of weights beyond far bytes the last.
func (s *site) amounts(far float64) (all [physicsTerms]float64) {
	copy(all[:], s.physics[:])
	all[physicsTerms-1] = max(0, s.physics[physicsTerms-2]-far)
	return all
}

func newSite(op lut.Op) site {
	w := workOf(op)
	s := site{op: op, group: groupOf(op.Kind, &w), tariff: tariff{op.Kind, variantOf(op, &w), op.Precision}}
	log := func(v float64) float64 { return math.Log(max(v, 1)) }
	s.x[fMACs], s.x[fRead], s.x[fWritten], s.x[fWeights] = log(w.macs), log(w.read), log(w.written), log(w.weights)
	s.x[fRows], s.x[fCin], s.x[fCout] = log(w.rows), log(w.cin), log(w.cout)
	s.x[fWindow], s.x[fStride], s.x[fGroups] = log(w.window), log(w.stride), log(w.groups)
	s.x[fOutOfGroup] = log(w.cout / w.groups)
	s.x[fIntensity] = log(w.macs) - log(w.read+w.written+w.weights)
	s.x[fTail4In], s.x[fTail8In], s.x[fTail16In] = tail(w.cin, 4), tail(w.cin, 8), tail(w.cin, 16)
	s.x[fTail4Out], s.x[fTail8Out], s.x[fTail16Out] = tail(w.cout, 4), tail(w.cout, 8), tail(w.cout, 16)
	s.x[fTail64Out], s.x[fTail256Out] = tail(w.cout, 64), tail(w.cout, 256)
	s.x[fTailWidth] = tail(w.width, 4)
	if op.Kind == "conv" {
		s.x[fTailThreads] = tail(math.Ceil(w.width/2)*w.rows/w.width*math.Ceil(w.cout/8), wave)
	}
	if w.macs == 0 || op.Kind != "conv" && op.Kind != "dwconv" && op.Kind != "linear" {
		for i, c := range op.At[:min(len(op.At), 6)] {
			s.x[fAxis0+i] = log(float64(c.Value))
		}
	}
	if s.tariff.variant == apart {
		act, _ := bytesOf(op.Precision)
		s.unrolled = act * w.rows * w.window * w.cin * w.groups
	}
	s.physics = [physicsTerms - 1]float64{1, w.macs, w.read, w.written, w.weights}
	s.cats = append(s.cats, lut.Attr{Name: "precision", Value: string(op.Precision)})
	if s.group == moves {
		kind := op.Kind
		if s.tariff.variant != apart { // kinds that cost the same per byte are one
			kind = benchmarks.Streams(kind)[0]
		}
		s.cats = append(s.cats, lut.Attr{Name: "kind", Value: kind})
	}
	for _, a := range op.Attrs {
		if a.Name != "p" && a.Name != "g" { // what padding and groups do is in the sizes
			s.cats = append(s.cats, a)
		}
	}
	if op.Kind == "transpose" {
		s.cats = append(s.cats, lut.Attr{Name: "moved", Value: benchmarks.Moved(op.Attr("perm"))})
	}
	if w.window > 0 && (op.Kind == "conv" || op.Kind == "dwconv") {
		s.cats = append(s.cats, lut.Attr{Name: "path", Value: path(op, &w)})
	}
	return s
}

// variantOf tells kernels of a kind apart whose prices differ by factors, not by a residual: a runtime computes them
// another way. ONNX Runtime runs a depthwise convolution of channels that fill no block a group at a time, 20 times
// slower for each multiply-add; an addition inside a convolution and a product with one number per channel each move other
// bytes than the rest of their kind.
func variantOf(op lut.Op, w *work) string {
	switch op.Kind {
	case "dwconv":
		if math.Mod(w.cout, 4) != 0 {
			return apart
		}
	case "conv":
		if w.groups > 1 && path(op, w) != "grouped16" {
			return apart
		}
	case "transpose":
		return benchmarks.Moved(op.Attr("perm"))
	case "sub", "div", "min", "max", "pow":
		if isMap(op) { // which a runtime does not compute in blocks: it turns the map, and turns it back
			return apart
		}
	}
	if w.macs > 0 {
		return ""
	}
	var parts []string
	for _, a := range op.Attrs {
		if a.Name == "fused" || a.Name == "b" || a.Name == "axis" {
			parts = append(parts, a.Name+"="+a.Value)
		}
	}
	return strings.Join(parts, ",")
}

// wave is the number of threads, each of two pixels and eight channels, in whose multiples a phone's GPU takes time: a
// fit of work, bytes and waves to the kernels of a Pixel 4 that slide is off by 7 % in the median with it, by 14 without.
const wave = 384

// isMap reports whether a kernel's operand is a map of channels.
func isMap(op lut.Op) bool {
	_, ok := op.Coord("h")
	return ok
}

// path guesses which of its algorithms a runtime takes for a convolution, from the rules that
// are public; where a device has others, all convolutions of a path are alike in something else, and
// its weight is learned. Blocked layouts want each group's channels in whole blocks, of 16 or
// 8 floats on x86 and 4 elsewhere (ONNX Runtime, core/optimizer/nchwc_transformer.cc); TensorFlow
// Lite's GPU delegate takes Winograd's 4×4 tiles for dense 3×3 windows of stride 1 from 32
// slices of four channels on both sides and 128 tiles on an Adreno 6xx, and keeps
// weights of up to 3.5 kB in constant memory (tasks/winograd and conv_constants; Li, Paolieri and
// Golubchik, "Inference Latency Prediction at the Edge", 2022).
func path(op lut.Op, w *work) string {
	whole := w.cout / w.groups
	if op.Kind == "conv" {
		for _, n := range []float64{16, 8, 4} {
			if math.Mod(w.cin, n) == 0 && math.Mod(whole, n) == 0 {
				whole = n
				break
			}
		}
		if whole != 16 && whole != 8 && whole != 4 {
			whole = 1
		}
	} else {
		whole = 1
		for _, n := range []float64{4, 8, 16} {
			if math.Mod(w.cout, n) == 0 {
				whole = n
			}
		}
	}
	slices := func(c float64) float64 { return math.Ceil(c / 4) }
	side := math.Ceil(w.width / 4)
	switch {
	case w.groups > 1 && op.Kind == "conv":
		return "grouped" + strconv.Itoa(int(whole))
	case op.Kind == "conv" && w.window == 9 && w.stride == 1 && pair(op.Attr("d")) == [2]int{1, 1} &&
		slices(w.cin) >= 32 && slices(w.cout) >= 32 && side*side >= 128:
		return "winograd"
	case op.Kind == "conv" && 4*slices(w.cin)*4*slices(w.cout)*w.window*2 <= 3584:
		return "constants" + strconv.Itoa(int(whole))
	}
	return "blocks" + strconv.Itoa(int(whole))
}

// tail is the logarithm of what rounding up to a multiple of n adds.
func tail(v float64, n float64) float64 {
	return math.Log(math.Ceil(v/n) * n / max(v, 1))
}

// moves is the group of all kinds that multiply no matrices: what they have in common is
// memory, and a network has many kinds of them that a short campaign measures once or never.
const moves = "moves"

// groupOf says which kernels share a process: those of a kind, or those that only move.
func groupOf(kind string, w *work) string {
	if w.macs == 0 {
		return moves
	}
	return kind
}
