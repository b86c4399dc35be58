package evaluator

import (
	"fmt"
	"math"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/internal/onnx"
)

// Names of the outputs a training-free model has.
const (
	codesOutput     = "isocost.codes"     // [N,N]: Σ over units of ±1 agreement
	responsesOutput = "isocost.responses" // [N,N]: correlation of the last feature map
)

// trainingFree is a network with the two kernel matrices of its training-free
// utilities computed inside, so that a run hands back 2·N² numbers.
type trainingFree struct {
	model []byte
	batch int
	units int // activations a unit code is taken of, per input
}

// newTrainingFree builds the chain at batch n with weights from seed and appends
// the kernel matrices.
//
//   - NASWOT (Mellor et al., ICML 2021): each unit of each activation layer is on
//     or off for each input; K_H[i,j] counts the units in the same state. With
//     v = ±1 for on and off, Σ v vᵀ = 2·agreements − units, summed over layers.
//     On means above the unit's mean over the batch – of the outputs for relu and
//     relu6, of the inputs for smooth activations –, which is what batch
//     normalisation makes of "above 0" in the networks NASWOT was published for.
//     Without it most units are on for all inputs or for none, by the luck of the
//     weights: see docs/decisions/0507. All sums are whole numbers below 2^24: exact
//     in float32.
//   - ACor: the correlation over features of the N inputs' responses in the last
//     feature map; log det is 0 when responses are uncorrelated and falls as the
//     network maps different inputs to the same outputs.
func newTrainingFree(chain benchmarks.Chain, n int, seed uint64) (*trainingFree, error) {
	g, err := benchmarks.Build(chain, benchmarks.BuildOptions{Batch: n, Seed: seed})
	if err != nil {
		return nil, err
	}
	m, err := onnxwriter.Model(g)
	if err != nil {
		return nil, err
	}
	sizes := map[string]int{} // elements of one input's share of a value
	for _, node := range g.Nodes {
		for _, v := range node.Out {
			size := 1
			for _, d := range v.Shape[1:] {
				size *= d
			}
			// An int8 value v and its float form v.f, a fused activation and what
			// is before it: all have the same size.
			for _, name := range []string{v.Name, v.Name + ".f"} {
				sizes[name] = size
			}
			if base, ok := cutSuffix(v.Name, ".act"); ok {
				sizes[base] = size
			}
		}
	}
	t := &trainingFree{batch: n}
	e := &emitter{m: m.Graph}
	e.ints("isocost.flat", int64(n), -1)
	e.ints("isocost.axis0", 0)
	e.float("isocost.one", 1)
	e.float("isocost.two", 2)
	e.float("isocost.tiny", 1e-12)
	var sum, last string
	for _, node := range append([]*onnx.Node(nil), m.Graph.Nodes...) {
		from := ""
		switch node.Op {
		case "Relu", "Clip":
			from = node.Outputs[0]
		case "HardSwish", "Gelu", "Sigmoid", "HardSigmoid":
			from = node.Inputs[0]
		default:
			continue
		}
		size, ok := sizes[from]
		if !ok {
			continue // the sigmoid of a written-out silu shares its input's code
		}
		p := fmt.Sprintf("isocost.%d.", len(e.m.Nodes))
		flat := e.node("Reshape", p+"flat", from, "isocost.flat")
		mean := e.node("ReduceMean", p+"mean", flat, "isocost.axis0")
		on := e.node("Cast", p+"on", e.node("Greater", p+"gt", flat, mean))
		e.m.Nodes[len(e.m.Nodes)-1].Attrs = []*onnx.Attr{onnx.IntAttr("to", int64(onnx.Float))}
		v := e.node("Sub", p+"v", e.node("Mul", p+"2on", on, "isocost.two"), "isocost.one")
		gram := e.node("MatMul", p+"gram", v, e.node("Transpose", p+"vt", v))
		if sum == "" {
			sum = gram
		} else {
			sum = e.node("Add", p+"sum", sum, gram)
		}
		t.units += size
		// The last map that still has space in it, or the last activation there is.
		if size > 1 {
			last = flat
		}
	}
	if sum == "" || last == "" {
		return nil, fmt.Errorf("the network has no activation layer to take codes of")
	}
	if t.units >= 1<<24 {
		return nil, fmt.Errorf("%d units are too many to count exactly in float32", t.units)
	}
	e.output(codesOutput, sum, n)
	center := e.node("Sub", "isocost.centred", last, e.node("ReduceMean", "isocost.mean", last, e.ints("isocost.axis1", 1)))
	norm := e.node("Sqrt", "isocost.norm", e.node("Add", "isocost.sq+", e.node("ReduceSum", "isocost.sq", e.node("Mul", "isocost.c2", center, center), "isocost.axis1"), "isocost.tiny"))
	z := e.node("Div", "isocost.z", center, norm)
	e.output(responsesOutput, e.node("MatMul", "isocost.corr", z, e.node("Transpose", "isocost.zt", z)), n)
	m.Graph.Outputs = m.Graph.Outputs[len(m.Graph.Outputs)-2:]
	t.model = onnx.Encode(m)
	return t, nil
}

func cutSuffix(s, suffix string) (string, bool) {
	if n := len(s) - len(suffix); n >= 0 && s[n:] == suffix {
		return s[:n], true
	}
	return s, false
}

// emitter adds nodes and constants to a written model.
type emitter struct{ m *onnx.Graph }

func (e *emitter) node(op, name string, in ...string) string {
	e.m.Nodes = append(e.m.Nodes, &onnx.Node{Name: name, Op: op, Inputs: in, Outputs: []string{name}})
	return name
}

func (e *emitter) ints(name string, v ...int64) string {
	e.m.Initializers = append(e.m.Initializers, onnx.IntTensor(name, onnx.Int64, v, len(v)))
	return name
}

func (e *emitter) float(name string, v float32) {
	e.m.Initializers = append(e.m.Initializers, onnx.FloatTensor(name, onnx.Float, []float32{v}))
}

func (e *emitter) output(name, from string, n int) {
	e.node("Identity", name, from)
	e.m.Outputs = append(e.m.Outputs, onnx.NewValue(name, onnx.Float, n, n))
}

// naswot is log|det K_H| from the sum of ±1 agreements.
func naswot(gram []float32, n, units int) (float64, error) {
	k := make([]float64, len(gram))
	for i, g := range gram {
		k[i] = (float64(g) + float64(units)) / 2
	}
	return logDet(k, n)
}

// ridge keeps the correlation matrix of nearly equal responses invertible: float32
// correlations carry errors of about 1e-7 each.
const ridge = 1e-5

// acor is log det of the correlation of responses, with a ridge.
func acor(corr []float32, n int) (float64, error) {
	k := make([]float64, len(corr))
	for i, c := range corr {
		k[i] = float64(c)
	}
	for i := range n {
		k[i*n+i] += ridge
	}
	return logDet(k, n)
}

// logDet is log|det| of an n×n matrix by Gaussian elimination with partial
// pivoting. A singular matrix is an error: two inputs have the same code.
func logDet(k []float64, n int) (float64, error) {
	if len(k) != n*n {
		return 0, fmt.Errorf("%d numbers are no %d×%d matrix", len(k), n, n)
	}
	sum := 0.0
	for c := range n {
		p := c
		for r := c + 1; r < n; r++ {
			if math.Abs(k[r*n+c]) > math.Abs(k[p*n+c]) {
				p = r
			}
		}
		pivot := k[p*n+c]
		if !(math.Abs(pivot) > 1e-9) || math.IsInf(pivot, 0) {
			return 0, fmt.Errorf("the kernel matrix is singular: inputs cannot be told apart")
		}
		sum += math.Log(math.Abs(pivot))
		if p != c {
			for j := range n {
				k[p*n+j], k[c*n+j] = k[c*n+j], k[p*n+j]
			}
		}
		for r := c + 1; r < n; r++ {
			f := k[r*n+c] / pivot
			for j := c; j < n; j++ {
				k[r*n+j] -= f * k[c*n+j]
			}
		}
	}
	return sum, nil
}

// resize gives a chain's operators the spatial sizes that follow from an input of
// side×side; channels stay. A chain that does not fit then is an error.
func resize(chain benchmarks.Chain, side int) (benchmarks.Chain, error) {
	out := make(benchmarks.Chain, len(chain))
	h, w, seq := side, side, 0
	for i, op := range chain {
		if _, ok := op.Coord("h"); ok {
			op = op.With("h", h).With("w", w)
		}
		if _, ok := op.Coord("seq"); ok && seq > 0 {
			op = op.With("seq", seq)
		}
		_, shape, err := benchmarks.Shapes(op)
		if err != nil {
			return nil, err
		}
		switch len(shape) {
		case 3:
			h, w = shape[1], shape[2]
		case 2:
			seq = shape[0]
		}
		out[i] = op
	}
	return out, nil
}

// inputSide is the side of a chain's input, 0 when it is not a square map.
func inputSide(chain benchmarks.Chain) int {
	h, ok1 := chain[0].Coord("h")
	w, ok2 := chain[0].Coord("w")
	if !ok1 || !ok2 || h != w {
		return 0
	}
	return h
}
