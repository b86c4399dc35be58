package tflitewriter

import (
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/tflitefb"
)

// Operator is an operator's definition as this package wants it.
type Operator interface {
	graph.Operator
	TFLiteForm() Form
}

// Form says how an operator stands in a .tflite file. The zero value says nothing and is
// refused; None says that there is no form, and why.
type Form struct {
	// Codes are the operators of the file that are this one; the node becomes the first.
	// None when it becomes several.
	Codes []tflitefb.Op
	// Variant is an option that, when it is 1, tells the operator from another of this code.
	Variant string
	// Parts says of which operators the node becomes, in words.
	Parts string
	// Why says why there is no form.
	Why string

	int8    int32 // the version of the only code for int8 values
	options tflitefb.Options
	// One of these writes the node: from tensor x to tensor y, in the layout that x has,
	// or all of it.
	function func(w *Writer, n *graph.Node, x, y int32)
	whole    func(w *Writer, n *graph.Node)

	inFloat func(w *Writer, n *graph.Node) bool // nil: never
	image   bool
	fused   float64 // the schema's number as a fused activation, 0 for none
}

// Said reports that the form says something.
func (f Form) Said() bool { return len(f.Codes) > 0 || f.Parts != "" || f.Why != "" }

// Op is one operator of one input; int8 is its version for int8 values.
func Op(code tflitefb.Op, int8 int32) Form {
	return Form{Codes: []tflitefb.Op{code}, int8: int8}
}

// With gives the operator its options.
func (f Form) With(options tflitefb.OptionsType, values map[string]float64) Form {
	f.options = tflitefb.Options{Type: options, Values: values}
	return f
}

// OpBy is one operator that write emits.
func OpBy(code tflitefb.Op, write func(w *Writer, n *graph.Node)) Form {
	return Form{Codes: []tflitefb.Op{code}, whole: write}
}

// Pair is an operator of two inputs that broadcast; act says whether it can fuse an
// activation, and if not the operands of int8 are brought to the result's scale.
func Pair(code tflitefb.Op, act bool) Form {
	return OpBy(code, func(w *Writer, n *graph.Node) { w.pair(n, code, act) })
}

// Function is a function of one input by several operators.
func Function(parts string, write func(w *Writer, n *graph.Node, x, y int32)) Form {
	return Form{Parts: parts, function: write}
}

// By is several operators that write emits.
func By(parts string, write func(w *Writer, n *graph.Node)) Form {
	return Form{Parts: parts, whole: write}
}

// None returns the refusal of any form, and why.
func None(why string) Form { return Form{Why: why} }

// Or adds operators of the file that are priced as this one.
func (f Form) Or(codes ...tflitefb.Op) Form {
	f.Codes = append(f.Codes, codes...)
	return f
}

// VariantOf says that the operator is the first one's of its code with this option at 1.
func (f Form) VariantOf(option string) Form {
	f.Variant = option
	return f
}

// InFloat says that TensorFlow Lite has no integer form: among int8 values the operator
// stands in floating point, between a DEQUANTIZE and a QUANTIZE.
func (f Form) InFloat() Form {
	return f.InFloatWhere(func(*Writer, *graph.Node) bool { return true })
}

// InFloatWhere is InFloat for some nodes or libraries.
func (f Form) InFloatWhere(where func(w *Writer, n *graph.Node) bool) Form {
	f.inFloat = where
	return f
}

// OfImages says that the operator wants channels last.
func (f Form) OfImages() Form {
	f.image = true
	return f
}

// FusedAs says that other operators can fuse this one, by its number in the schema.
func (f Form) FusedAs(act float64) Form {
	f.fused = act
	return f
}

func formOf(op graph.Operator) Form {
	o, ok := op.(Operator)
	if !ok {
		Fail("%w: operator %v", ErrNoForm, op)
	}
	f := o.TFLiteForm()
	if f.Why != "" || !f.Said() {
		Fail("%w: operator %v: %s", ErrNoForm, op, f.Why)
	}
	return f
}

// node writes one node.
func (w *Writer) node(n *graph.Node) {
	for _, v := range n.Out {
		tensorType(v) // refuses what the file has no type for
	}
	f := formOf(n.Op)
	switch {
	case f.inFloat != nil && n.Out[0].DType == graph.Int8 && f.inFloat(w, n):
		w.inFloat(n)
	case f.whole != nil:
		f.whole(w, n)
	case f.function != nil:
		x, y, _ := w.InPlace(n)
		f.function(w, n, x, y)
	default:
		x, y, _ := w.InPlace(n)
		f.emit(w, x, y)
	}
}

// emit writes the operator of one input that the form is.
func (f Form) emit(w *Writer, x, y int32) {
	w.Emit(f.Codes[0], w.Version(x, f.int8), []int32{x}, []int32{y}, f.options)
}

// Activate writes a node's activation as an operator of its own.
func (w *Writer) Activate(n *graph.Node, x, y int32) { formOf(n.Fused).emit(w, x, y) }

// FusedAct is the fused activation of a node, by its number in the schema.
func FusedAct(n *graph.Node) float64 {
	if n.Fused == nil {
		return tflitefb.ActNone
	}
	f := formOf(n.Fused)
	if f.fused == 0 {
		Fail("%w: activation %v cannot be fused", ErrNoForm, n.Fused)
	}
	return f.fused
}
