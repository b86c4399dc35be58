// Package gpudelegate says which kernels TensorFlow Lite's GPU delegate makes of a network's
// kernels: it links what works element by element to the kernel before it, whose program
// then does both (tensorflow/lite/delegates/gpu/common/gpu_model.cc, MergeElementwiseNodes; Li,
// Paolieri and Golubchik, "Inference Latency Prediction at the Edge", 2022). A linked
// kernel's key has all it does as its activation: conv[act=add.relu,k=1,s=1].
//
// Readers of model files know no delegate. This package goes over their kernels in the order
// they run and has no graph: it takes a kernel of the same elements, next in line, for the
// reader of the one before it.
package gpudelegate

import (
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/lut"
)

// Feature marks the runtime of a table whose keys are linked kernels.
const Feature = "kernels=linked"

// Linked says whether a table's keys are kernels as the delegate links them.
func Linked(r lut.Runtime) bool { return slices.Contains(strings.Fields(r.Features), Feature) }

// Links are functions as the delegate links them, where that is not their own name.
var Links = map[string]string{"relu6": "relu", "hsigmoid": "relu.mul", "batchnorm": "mul.add"}

// linksOf returns what an element-wise kind adds to the kernel before it, "" where it is linked to
// none: two results of one size are read by it, or it is not a function of single elements.
func linksOf(op lut.Op) string {
	if !benchmarks.IsFunction(op.Kind) && !benchmarks.IsPair(op.Kind) {
		return ""
	}
	if b := op.Attr("b"); b != "" && b != "c" && b != "s" {
		return ""
	}
	return join(linkOf(op.Kind), linkOf(op.Attr("act")))
}

func linkOf(function string) string {
	if l, ok := Links[function]; ok {
		return l
	}
	return function
}

func join(a, b string) string { return strings.Trim(a+"."+b, ".") }

// Link returns the kernels of a network as the delegate runs them.
func Link(kernels []network.Kernel) []network.Kernel {
	var out []network.Kernel
	for _, k := range kernels {
		if link := linksOf(k.Op); link != "" && len(out) > 0 && takes(out[len(out)-1].Op, k.Op) {
			to := &out[len(out)-1]
			to.Op = withAct(to.Op, join(to.Op.Attr("act"), link))
			to.Nodes = append(to.Nodes[:len(to.Nodes):len(to.Nodes)], k.Nodes...)
			continue
		}
		k.Op = Alone(k.Op)
		out = append(out, k)
	}
	return out
}

// Alone is a kernel's key to which nothing is linked yet: its activation by the delegate's
// name, and a convolution of one pixel as the product it is run as.
func Alone(op lut.Op) lut.Op {
	if act := op.Attr("act"); act != "" {
		op = withAct(op, linkOf(act))
	}
	h, _ := op.Coord("h")
	w, _ := op.Coord("w")
	if op.Kind != "conv" || h != 1 || w != 1 || op.Attr("k") != "1" || op.Attr("g") != "" {
		return op
	}
	cin, _ := op.Coord("cin")
	cout, _ := op.Coord("cout")
	attrs := map[string]string{}
	if act := op.Attr("act"); act != "" {
		attrs["act"] = act
	}
	return lut.NewOp("linear", op.Precision, attrs, map[string]int{"m": 1, "cin": cin, "cout": cout})
}

// takes says whether a kernel computes the elements that the next one works on. What the
// catalogue cannot build computes none that it knows.
func takes(op, next lut.Op) bool {
	if !benchmarks.Multiplies(op.Kind) {
		return false
	}
	_, have, err := benchmarks.Shapes(withAct(op, "")) // whose links are not an activation of the catalogue's
	if err != nil {
		return false
	}
	return have.Fits(elements(next))
}

// elements are those of an element-wise kernel, by its key's axes.
func elements(op lut.Op) benchmarks.Shape {
	var s benchmarks.Shape
	for _, axis := range []string{"c", "h", "w", "seq", "dim"} {
		if v, ok := op.Coord(axis); ok {
			s = append(s, v)
		}
	}
	return s
}

// withAct is an operator with another activation; "" is none.
func withAct(op lut.Op, act string) lut.Op {
	attrs, at := map[string]string{}, map[string]int{}
	for _, a := range op.Attrs {
		attrs[a.Name] = a.Value
	}
	for _, c := range op.At {
		at[c.Axis] = c.Value
	}
	if delete(attrs, "act"); act != "" {
		attrs["act"] = act
	}
	return lut.NewOp(op.Kind, op.Precision, attrs, at)
}
