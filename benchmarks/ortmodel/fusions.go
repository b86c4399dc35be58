package ortmodel

import (
	"fmt"

	"github.com/isocost/isocost/internal/onnx/graph"
)

// fusion is a rule, as data: which nodes a runtime runs as one kernel, or isocost
// prices as one. A pattern is a tree of ONNX operators, written from its last one:
//
//	Mul(x,Sigmoid(x))
//
// Lower-case letters are values (equal letters, equal values), "c" is any constant
// and numbers are scalar constants (to 1 part in 1000). Add and Mul match in either
// order. Everything inside the tree must be used nowhere else.
//
// Sources: ONNX Runtime's GeluFusion, FastGeluFusion, QuickGeluFusion,
// LayerNormFusion (onnxruntime/core/optimizer, 1.20–1.32), and the optimised graphs
// of the networks in scripts/export_models.py. What that runtime leaves apart –
// the newer exporter's GELU, as Div, Erf, Add, Mul, Mul – has no rule: each of its
// nodes is a kernel of its own and is priced so.
type fusion struct {
	name    string
	pattern string
	op      string // of the fused node: a catalogue's kind, with "@" before it
	// notOfProduct says that x is not what a Mul computes: the runtime takes that for a part
	// of another form, and fuses neither.
	notOfProduct bool
	// composed says that the runtime runs the nodes one by one, and the catalogue prices them as
	// one kernel. The other rules are the runtime's own: in a graph that it wrote, what they
	// would merge is what it left apart.
	composed bool
}

var fusions = []fusion{
	{name: "gelu, TorchScript exporter", pattern: "Mul(Mul(x,Add(Erf(Div(x,1.4142135)),1)),0.5)", op: "@gelu", notOfProduct: true},
	{name: "gelu, half first", pattern: "Mul(Mul(x,0.5),Add(Erf(Div(x,1.4142135)),1))", op: "@gelu"},
	{name: "gelu, by a product", pattern: "Mul(Mul(x,Add(Erf(Mul(x,0.70710678)),1)),0.5)", op: "@gelu", notOfProduct: true},
	{name: "gelu, tanh form", pattern: "Mul(Mul(x,0.5),Add(Tanh(Mul(Add(x,Mul(Pow(x,3),0.044715)),0.7978846)),1))", op: "@gelutanh"},
	{name: "gelu, tanh form of products", pattern: "Mul(x,Add(Mul(Tanh(Mul(x,Add(Mul(Mul(x,x),0.0356774),0.7978846))),0.5),0.5))", op: "@gelutanh"},
	{name: "quick gelu", pattern: "Mul(x,Sigmoid(Mul(x,1.702)))", op: "@silu"},
	{name: "silu", pattern: "Mul(x,Sigmoid(x))", op: "@silu", composed: true},
	{name: "hard swish of two", pattern: "Mul(x,HardSigmoid(x))", op: "@hswish", composed: true},
	{name: "hard swish of parts", pattern: "Div(Mul(x,Clip(Add(x,3),0,6)),6)", op: "@hswish", composed: true},
	{name: "hard swish of parts, product", pattern: "Mul(x,Div(Clip(Add(x,3),0,6),6))", op: "@hswish", composed: true},
	{name: "hard swish of parts, by 1/6", pattern: "Mul(Mul(x,Clip(Add(x,3),0,6)),0.1666667)", op: "@hswish", composed: true},
	{name: "hard sigmoid of parts", pattern: "Div(Clip(Add(x,3),0,6),6)", op: "@hsigmoid", composed: true},
	{name: "hard sigmoid of parts, by 1/6", pattern: "Mul(Clip(Add(x,3),0,6),0.1666667)", op: "@hsigmoid", composed: true},
	{name: "layer norm, squared by Pow", pattern: "Add(Mul(Div(Sub(x,ReduceMean(x)),Sqrt(Add(ReduceMean(Pow(Sub(x,ReduceMean(x)),2)),e))),c),b)", op: "@layernorm"},
	{name: "layer norm, squared by Mul", pattern: "Add(Mul(Div(Sub(x,ReduceMean(x)),Sqrt(Add(ReduceMean(Mul(Sub(x,ReduceMean(x)),Sub(x,ReduceMean(x)))),e))),c),b)", op: "@layernorm"},
	{name: "rms norm", pattern: "Mul(Mul(x,Reciprocal(Sqrt(Add(ReduceMean(Pow(x,2)),e)))),c)", op: "@rmsnorm", composed: true},
	{name: "rms norm, by division", pattern: "Mul(Div(x,Sqrt(Add(ReduceMean(Pow(x,2)),e))),c)", op: "@rmsnorm"},
	{name: "rms norm, by 1/√", pattern: "Mul(Mul(x,Div(1,Sqrt(Add(ReduceMean(Pow(x,2)),e)))),c)", op: "@rmsnorm", composed: true},
}

// compiled is a fusion whose pattern is read.
type compiled struct {
	fusion
	tree *graph.Pattern
}

// compiledRules are the fusions by the operator at their root.
var compiledRules = func() map[string][]compiled {
	out := map[string][]compiled{}
	for _, r := range fusions {
		p, rest, err := graph.ParsePattern(r.pattern)
		if err != nil || rest != "" {
			panic(fmt.Sprintf("ortmodel: fusion %s: %v at %q", r.name, err, rest)) // a mistake in fusions.go, found by any test
		}
		out[p.Root()] = append(out[p.Root()], compiled{r, p})
	}
	return out
}()
