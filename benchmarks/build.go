package benchmarks

import (
	"fmt"
	"math"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/lut"
)

// maxBatch bounds how many items one inference takes.
const maxBatch = 1 << 16

// BuildOptions say what a key leaves open.
type BuildOptions struct {
	Batch int    // of the graph's input; ≥ 1, 0 means 1
	Seed  uint64 // of the weights; the same seed gives the same weights everywhere
	// Shapes leaves weights without data: enough to count and to plan memory, not to write.
	Shapes bool
	// Precision, when set, is that of every operator instead of its own: the reference
	// that another precision is compared with. Names, and with them the weights, stay.
	Precision lut.Precision
	// Modules holds the modules of the chain; nil where there are none.
	Modules *Library
	// LiteRT says that the graph is to be written as .tflite: the modules are those forms.
	LiteRT bool
}

// Build makes a chain a graph. The first operator fixes the input's shape; each
// next one must fit what the one before puts out. Where the precision of
// neighbours differs and the chain has no switch between them, Build inserts the
// conversion; the input is float32 (float16 or bfloat16 when the first operator
// is), and so is the output.
//
// Weights are random with variance 1/(fan-in · mean square of the input): He et
// al., "Delving Deep into Rectifiers" (2015), with the mean square followed
// through the graph instead of assumed, so that every convolution's result has
// variance about 1 and int8 scales can be stated beforehand without saturating.
//
// Values are named after the operator's place and part: l03.expand is the fourth
// operator's expanding convolution and l03.expand.act its activation; the graph's
// input is "input". docs/catalogue.md lists the parts.
func Build(chain Chain, opt BuildOptions) (*graph.Graph, error) {
	if len(chain) == 0 {
		return nil, fmt.Errorf("build: the chain is empty")
	}
	if opt.Batch == 0 {
		opt.Batch = 1
	}
	if opt.Batch < 1 || opt.Batch > maxBatch {
		return nil, fmt.Errorf("build: batch %d is not from 1 to %d", opt.Batch, maxBatch)
	}
	b := &builder{g: &graph.Graph{}, batch: opt.Batch, seed: opt.Seed, stats: map[*graph.Value]stat{}, grids: map[*graph.Value]*graph.Quant{}, weights: map[string]bool{}, shapes: opt.Shapes, modules: opt.Modules, litert: opt.LiteRT}
	var x *graph.Value
	for i, op := range chain {
		if err := Check(op); err != nil {
			return nil, fmt.Errorf("build: operator %d: %w", i, err)
		}
		if opt.Precision != "" {
			if kinds[op.Kind].converts && len(chain) > 1 { // nothing to switch between
				continue
			}
			op = op.WithPrecision(opt.Precision)
		}
		k, a := kinds[op.Kind], args{op}
		in := k.in(a)
		b.layer, b.prec = fmt.Sprintf("l%02d", i), op.Precision
		if x == nil {
			x = b.input("input", in, floatType(op.Precision))
		}
		if have := Shape(x.Shape[1:]); !have.Fits(in) {
			return nil, fmt.Errorf("build: operator %d: %s wants %v, but gets %v", i, op, in, have)
		} else if !have.equal(in) {
			x = b.reshape(x, b.layer+".flat", in)
		}
		if !k.converts && !k.floating {
			x = b.convert(x, activationType(op.Precision), b.layer+".in")
		}
		b.history = append(b.history, x)
		if k.converts && besideFloating(chain, i) {
			continue // the module has the conversion inside
		}
		x = k.build(b, a, x)
		if b.err != nil {
			return nil, fmt.Errorf("build: operator %d: %s: %w", i, op, b.err)
		}
	}
	b.layer = "out"
	last := chain[len(chain)-1].Precision
	if opt.Precision != "" {
		last = opt.Precision
	}
	x = b.convert(x, floatType(last), "output")
	b.g.Outputs = []*graph.Value{x}
	for _, v := range b.results {
		b.g.Outputs = append(b.g.Outputs, b.convert(v, floatOutput(v.DType), v.Name+".out"))
	}
	return b.g, nil
}

// besideFloating reports that the int8 side of the switch that is operator i of a chain
// is a module, which quantises what it gets and dequantises what it hands on.
func besideFloating(chain Chain, i int) bool {
	for _, j := range []int{i - 1, i + 1} {
		if j >= 0 && j < len(chain) && kinds[chain[j].Kind].floating && activationType(chain[j].Precision) == graph.Int8 {
			return true
		}
	}
	return false
}

// floatType is the type of a graph's input or output beside that precision.
func floatType(p lut.Precision) graph.DType {
	if t := activationType(p); t != graph.Int8 {
		return t
	}
	return graph.Float32
}

func floatOutput(t graph.DType) graph.DType {
	if t == graph.Int8 {
		return graph.Float32
	}
	return t
}

// stat follows a value's distribution through the graph: mean and mean square of
// an element.
type stat struct{ mean, ms float64 }

func (s stat) std() float64 { return math.Sqrt(max(0, s.ms-s.mean*s.mean)) }

// builder makes the nodes of one graph. Methods return the node's output; b.prec
// is the precision they compute in.
type builder struct {
	g       *graph.Graph
	batch   int
	seed    uint64
	shapes  bool
	modules *Library
	litert  bool
	grids   map[*graph.Value]*graph.Quant // of float values that were integers last
	layer   string                        // prefix of names: l03
	prec    lut.Precision
	stats   map[*graph.Value]stat
	weights map[string]bool
	drawn   map[string]bool // names that large weights were drawn by
	history []*graph.Value  // inputs of the operators so far
	results []*graph.Value  // outputs of the graph besides the last operator's
	err     error
}

// clip is the number of standard deviations that an int8 range covers: 5σ of a
// near-normal value saturates less than one element in a million.
const clip = 5

// input adds a graph input of standard normal numbers, which is what sessions
// are fed with.
func (b *builder) input(name string, s Shape, t graph.DType) *graph.Value {
	v := &graph.Value{Name: name, DType: t, Shape: append([]int{b.batch}, s...)}
	b.stats[v] = stat{0, 1}
	b.g.Inputs = append(b.g.Inputs, v)
	return v
}

// node adds a node with one output of the current precision.
func (b *builder) node(op, name string, shape []int, st stat, in ...*graph.Value) *graph.Node {
	y := &graph.Value{Name: name, DType: activationType(b.prec), Shape: shape}
	b.stats[y] = st
	n := &graph.Node{Op: Operator(op), Name: name, In: in, Out: []*graph.Value{y}}
	b.g.Nodes = append(b.g.Nodes, n)
	if y.DType == graph.Int8 {
		y.Quant = symmetric(st)
	}
	return n
}

// symmetric is a signed int8 range of ±clip·rms.
func symmetric(st stat) *graph.Quant {
	return perTensor(max(clip*math.Sqrt(st.ms), 1e-6)/127, 0)
}

// positive is an int8 range from 0 to hi.
func positive(hi float64) *graph.Quant { return perTensor(hi/255, -128) }

// between is an int8 range from lo to hi that holds 0 exactly.
func between(lo, hi float64) *graph.Quant {
	scale := (hi - lo) / 255
	return perTensor(scale, int32(math.Round(-128-lo/scale)))
}

func perTensor(scale float64, zero int32) *graph.Quant {
	return &graph.Quant{Scale: []float32{float32(scale)}, Zero: []int32{zero}}
}

// weight adds a matrix or kernel of normalised random numbers for an input x.
// axis is the output channels', along which int8 weights are scaled.
func (b *builder) weight(name string, shape []int, fanIn int, x *graph.Value, axis int) *graph.Value {
	v := &graph.Value{Name: name, Shape: shape, DType: activationType(b.prec)}
	ms := b.stats[x].ms
	if ms <= 0 {
		ms = 1
	}
	v.Data = b.random(b.drawnAs(name, v.Len()), v.Len(), 1/math.Sqrt(float64(fanIn)*ms))
	switch b.prec {
	case lut.INT8, lut.INT8Dyn:
		v.DType, v.Quant = graph.Int8, weightQuant(v.Data, shape, axis, productReach)
	case lut.INT8W:
		v.DType, v.Quant = graph.Int8, weightQuant(v.Data, shape, axis, floatReach)
	}
	b.constant(v)
	return v
}

// LargeBytes is the size in fp32 from which weights are drawn by their number and not by
// their name, so that models which hold the same layer in different places hold the same
// numbers: a runtime that opens many of them can keep one copy.
const LargeBytes = 1 << 20

// drawnAs is the name by which a weight of n elements is drawn: of large ones their size and
// how many of it came before, since two of one model must not be one.
func (b *builder) drawnAs(name string, n int) string {
	if 4*n < LargeBytes {
		return name
	}
	for i := 0; ; i++ {
		if as := fmt.Sprintf("%d elements, %d", n, i); !b.drawn[as] {
			if b.drawn == nil {
				b.drawn = map[string]bool{}
			}
			b.drawn[as] = true
			return as
		}
	}
}

func (b *builder) random(name string, n int, std float64) []float32 {
	if b.shapes {
		return nil
	}
	return uniform(b.seed, name, n, std)
}

// The largest magnitude of a quantised weight. What is multiplied as integers has 7
// bits, not 8: on an x86 processor without an 8-bit dot product (VNNI), ONNX Runtime
// adds pairs of products of an unsigned and a signed byte in 16 bits (vpmaddubsw),
// which hold 2·255·63 and saturate at 2·255·127. Kernels and times are those of 8 bits
// (docs/decisions/0306-*.md).
const (
	productReach = 63
	floatReach   = 127 // of weights that are widened before they are multiplied
)

// weightQuant is the symmetric scale of each slice of axis: max|w|/reach, zero 0.
func weightQuant(data []float32, shape []int, axis int, reach float32) *graph.Quant {
	inner := 1
	for _, d := range shape[axis+1:] {
		inner *= d
	}
	n := shape[axis]
	q := &graph.Quant{Scale: make([]float32, n), Zero: make([]int32, n), Axis: axis}
	for i, w := range data {
		c := i / inner % n
		if w < 0 {
			w = -w
		}
		q.Scale[c] = max(q.Scale[c], w)
	}
	for c, m := range q.Scale {
		q.Scale[c] = max(m, 1e-9) / reach
	}
	return q
}

// bias adds a bias of small random numbers for a node with input x and weight w.
func (b *builder) bias(name string, n int, x, w *graph.Value) *graph.Value {
	v := b.vector(name, n, 0, 0.1)
	if b.prec == lut.INT8 {
		v.DType = graph.Int32
		v.Quant = &graph.Quant{Scale: make([]float32, n), Zero: make([]int32, n)}
		for i := range n {
			v.Quant.Scale[i] = x.Quant.Scale[0] * w.Quant.Scale[i%len(w.Quant.Scale)] // grouped transposed convolutions share scales
		}
	}
	return v
}

// vector adds a constant vector of mean ± std in the precision's float type.
func (b *builder) vector(name string, n int, mean float32, std float64) *graph.Value {
	v := &graph.Value{Name: name, DType: floatType(b.prec), Shape: []int{n}, Data: b.random(name, n, std)}
	for i := range v.Data {
		v.Data[i] += mean
	}
	b.constant(v)
	return v
}

// floats is a constant vector that stays float in every precision.
func (b *builder) floats(name string, n int, mean float32) *graph.Value {
	v := b.vector(b.layer+name, n, mean, 0.1)
	if b.prec == lut.INT8 {
		v.DType = graph.Float32
	}
	return v
}

// mode says how a node with float activations uses an int8 weight.
func (b *builder) mode(n *graph.Node) {
	switch b.prec {
	case lut.INT8Dyn:
		b.str(n, "quant", graph.QuantDynamic)
	case lut.INT8W:
		b.str(n, "quant", graph.QuantWeight)
	}
}

func (b *builder) constant(v *graph.Value) {
	if b.weights[v.Name] {
		b.fail("two weights are named %s", v.Name)
	}
	b.weights[v.Name] = true
	b.g.Weights = append(b.g.Weights, v)
}

func (b *builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
}

func (b *builder) ints(n *graph.Node, name string, v ...int) *graph.Node {
	if n.Attrs.Ints == nil {
		n.Attrs.Ints = map[string][]int{}
	}
	n.Attrs.Ints[name] = v
	return n
}

func (b *builder) str(n *graph.Node, name, v string) *graph.Node {
	if n.Attrs.Strings == nil {
		n.Attrs.Strings = map[string]string{}
	}
	n.Attrs.Strings[name] = v
	return n
}

func (b *builder) float(n *graph.Node, name string, v float32) *graph.Node {
	if n.Attrs.Floats == nil {
		n.Attrs.Floats = map[string]float32{}
	}
	n.Attrs.Floats[name] = v
	return n
}

// move adds a node that only moves data: type, scale and distribution stay.
func (b *builder) move(op string, x *graph.Value, name string, shape []int) *graph.Node {
	y := &graph.Value{Name: name, DType: x.DType, Shape: shape, Quant: x.Quant}
	b.stats[y] = b.stats[x]
	n := &graph.Node{Op: Operator(op), Name: name, In: []*graph.Value{x}, Out: []*graph.Value{y}}
	b.g.Nodes = append(b.g.Nodes, n)
	return n
}
