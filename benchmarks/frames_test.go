package benchmarks_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/internal/golden"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/lut"
)

// TestFramesOnONNXRuntime: what a frame subtracts leaves exactly the operator's own nodes
// in ONNX Runtime's optimised graphs. testdata/frames.txt names them for every kind, and
// every family of kernels.txt, in fp32 and int8: how many more (or fewer) nodes the models
// with the operator have than those without. No operator may be left without a node of
// its own: it would be fused with its neighbours, folded or dead, and priced at nothing.
func TestFramesOnONNXRuntime(t *testing.T) {
	needORT(t)
	if !kernelsOnFile() {
		t.Skip("the kernels of another library or processor are not on file")
	}
	const file = "testdata/frames.txt"
	var out strings.Builder
	out.WriteString("# What frames leave of each operator in the graphs that ONNX Runtime 1.32 optimises on amd64; go test -update rewrites.\n")
	for _, op := range framedOps(t) {
		left := frameNodes(t, op)
		fmt.Fprintf(&out, "%s: %s\n", op, left)
		if want, ok := present(op, left); !ok {
			t.Errorf("%s leaves %q: no node of its own (%s)", op, left, cmp.Or(want, "any"))
		}
	}
	golden.File(t, file, []byte(out.String()))
}

// runsAs are the operators that ONNX Runtime runs under another name than they are
// written, by kind and precision: the node to look for, and why.
var runsAs = map[string]struct{ node, why string }{
	"relu/int8":       {"QuantizeLinear", "between quantised tensors a clamp is a change of scale"},
	"relu6/int8":      {"QuantizeLinear", "likewise"},
	"hswish/fp32":     {"HardSigmoid", "taken apart into HardSigmoid and Mul"},
	"hswish/int8":     {"HardSigmoid", "likewise"},
	"mish/fp32":       {"Softplus", "taken apart into Softplus, Tanh and Mul"},
	"mish/int8":       {"Softplus", "likewise"},
	"batchnorm/fp32":  {"Conv", "in the blocked layout it is a depthwise convolution of one pixel"},
	"resize/fp32":     {"", "Upsample in the blocked layout, Resize elsewhere"},
	"reshape/fp32":    {"nothing", "a view: it moves nothing, and two in a row are one"},
	"reshape/int8":    {"nothing", "likewise"},
	"dequantize/int8": {"Reorder", "the model without it converts at its exit: what is left is the change of layout"},
	"switch/fp32":     {"Reorder", "as dequantize"},
	"relayout/fp32":   {"Reorder", "nothing is built: a difference of layouts"},
	"relayout/int8":   {"Transpose", "likewise"},
}

// surroundings are the nodes of a frame that belong to no operator: the pixel that is read
// behind it, and changes of layout.
var surroundings = []string{"MaxPool", "NhwcMaxPool", "ReorderInput", "ReorderOutput"}

// present reports whether a node of the operator is among what its frame leaves: the one
// it is written as, or what the runtime makes of it.
func present(op lut.Op, left string) (want string, ok bool) {
	as, known := runsAs[op.Kind+"/"+string(op.Precision)]
	if as.node == "nothing" {
		return "", true
	}
	want = benchmarks.ONNXName(op.Kind)
	if known {
		want = as.node
	}
	for part := range strings.SplitSeq(left, "; ") {
		n, name, _ := strings.Cut(part, " ")
		if !strings.HasPrefix(n, "+") {
			continue
		}
		if want != "" && strings.Contains(name, want) || want == "" && !slices.Contains(surroundings, name) {
			return want, true
		}
	}
	return want, false
}

// Negative control: a frame that leaves only its surroundings, or another operator, is found.
func TestFrameWithoutItsOperatorIsFound(t *testing.T) {
	for _, test := range []struct {
		key, left string
		want      bool
	}{
		{"elu/fp32@c=16,h=16,w=16", "+1 Elu; +1 ReorderInput", true},
		{"elu/fp32@c=16,h=16,w=16", "", false},
		{"elu/fp32@c=16,h=16,w=16", "-1 Elu", false},
		{"elu/fp32@c=16,h=16,w=16", "+1 ReorderInput; +1 MaxPool", false},
		{"elu/fp32@c=16,h=16,w=16", "+1 Exp", false},
		{"maxpool[k=3]/int8@c=16,h=16,w=16", "+1 NhwcMaxPool", true},
		{"mbconv[k=3]/fp32@cin=16,cout=16,h=16,mid=48,w=16", "+1 MaxPool; +1 ReorderOutput", false},
		{"mbconv[k=3]/fp32@cin=16,cout=16,h=16,mid=48,w=16", "+3 Conv", true},
	} {
		if _, ok := present(chain(t, test.key)[0], test.left); ok != test.want {
			t.Errorf("%s is present in %q: %v", test.key, test.left, ok)
		}
	}
}

// framedOps are the example of every kind and one operator of every family of kernels.txt,
// in fp32 and int8, sorted.
func framedOps(t *testing.T) []lut.Op {
	t.Helper()
	seen := map[string]lut.Op{}
	add := func(op lut.Op) {
		pixel := op.Kind == "maxpool" && op.Attr("k") == "1" // what frames end with
		if _, have := seen[op.Family()]; !have && !pixel {
			seen[op.Family()] = op
		}
	}
	for _, kind := range benchmarks.Kinds() {
		for _, p := range []lut.Precision{lut.FP32, lut.INT8} {
			if c, err := benchmarks.Example(kind, p); err == nil {
				add(c[len(c)-1])
			}
		}
	}
	for _, op := range allOps(t) {
		if op.Precision == lut.FP32 || op.Precision == lut.INT8 {
			add(op)
		}
	}
	var ops []lut.Op
	for _, op := range seen {
		ops = append(ops, op)
	}
	slices.SortFunc(ops, func(a, b lut.Op) int { return strings.Compare(a.String(), b.String()) })
	return ops
}

// frameNodes is the difference of a frame in nodes of the optimised graphs. A convolution
// with a fourth input adds that to its result, a transposition may move nothing.
func frameNodes(t *testing.T, op lut.Op) string {
	t.Helper()
	sum, err := benchmarks.Frame(op)
	if err != nil {
		t.Fatal(err)
	}
	net := map[string]int{}
	for _, s := range sum {
		g, err := benchmarks.Build(s.Chain, benchmarks.BuildOptions{Seed: 7})
		if err != nil {
			t.Fatal(err)
		}
		model, err := onnxwriter.Write(g)
		if err != nil {
			t.Fatal(err)
		}
		_, optimised, err := runORT(t, model, g, randomInputs(g))
		if err != nil {
			t.Fatalf("%v: %v", s.Chain, err)
		}
		for _, n := range optimised.Nodes {
			net[nodeName(n)] += int(s.Coef)
		}
	}
	var list []string
	for name, n := range net {
		if n != 0 {
			list = append(list, fmt.Sprintf("%+d %s", n, name))
		}
	}
	slices.Sort(list)
	return strings.Join(list, "; ")
}

func nodeName(n *onnx.Node) string {
	name := n.Op
	if act := n.Str("activation", ""); act != "" {
		name += "+" + act
	}
	if n.Op == "Conv" && len(n.Inputs) > 3 {
		name += " with a sum"
	}
	if perm := n.Ints("perm"); n.Op == "Transpose" && slices.IsSorted(perm) {
		name = "idle " + name
	}
	return name
}
