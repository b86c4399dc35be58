package litertmodel

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/internal/tflitefb/graph"
	"github.com/isocost/isocost/lut"
)

// whole says what an operator lacks to be understood at all: "" for one whose inputs
// and output can be relied on.
func (r *Fused) whole(o *graph.Operator) string {
	least := max(1, operators[o.Code].inputs)
	if len(o.Outputs) == 0 || len(o.Inputs) < least {
		return "it has too few inputs or outputs"
	}
	for i := range least {
		if o.Inputs[i] < 0 {
			return "an input is left out"
		}
	}
	for _, t := range slices.Concat(o.Inputs, o.Outputs) {
		if t >= 0 && r.Unknown[t] {
			return fmt.Sprintf("the shape of tensor %d (%.60s) is not known at this size", t, r.Model.Tensors[t].Name)
		}
	}
	if o.Unfit {
		return "its inputs do not fit together"
	}
	for _, t := range slices.Concat(o.Inputs, o.Outputs) {
		if t >= 0 && graph.Size(r.Model.Tensors[t].Shape) == 0 {
			return "an empty tensor"
		}
	}
	return ""
}

// price is an operator's key, why it is free, or why it is neither.
func (r *Fused) price(o *graph.Operator) (op lut.Op, free, why string) {
	if why := r.whole(o); why != "" {
		return op, "", why
	}
	if r.Constant[o.Outputs[0]] {
		return op, network.FreeConstant, ""
	}
	if f := r.of(o); f.kind != "" {
		op, why = r.element(o, f.kind, f.input, nil)
		if s := r.Model.Tensors[f.input].Shape; f.rows {
			op = lut.NewOp(f.kind, op.Precision, nil, map[string]int{"seq": r.outer(s[:len(s)-1]), "dim": int(s[len(s)-1])})
		}
		return op, "", why
	}
	if kind := benchmarks.TFLiteFunction(o.Code, o.Options.Value); kind != "" {
		op, why = r.function(o, kind)
		return op, "", why
	}
	if price := operators[o.Code].price; price != nil {
		return price(r, o)
	}
	return op, "", "the catalogue has no such operator"
}

// precision follows the number types of a tensor that is computed with and of the
// weights, where there are any. Float tensors with weights of bytes are quantised at
// run time.
func (r *Fused) precision(t, weights int32) (lut.Precision, string) {
	switch typ := r.Model.Tensors[t].Type; typ {
	case tflitefb.Float32:
		if weights < 0 {
			return lut.FP32, ""
		}
		switch stored := r.Model.Tensors[weights].Type; stored {
		case tflitefb.Float32:
			return lut.FP32, ""
		case tflitefb.Int8:
			return lut.INT8Dyn, ""
		default:
			return "", fmt.Sprintf("floats by weights of type %s", stored)
		}
	case tflitefb.Int8:
		if weights >= 0 && r.Model.Tensors[weights].Type != tflitefb.Int8 {
			return "", fmt.Sprintf("bytes by weights of type %s", r.Model.Tensors[weights].Type)
		}
		return lut.INT8, ""
	default:
		return "", fmt.Sprintf("numbers of type %s", typ)
	}
}

// clamp is the activation in an operator's options, "" for none. In int8 a clamp at
// zero or six is none: the number format clamps.
func clamp(o *graph.Operator, prec lut.Precision) (act, why string) {
	switch v := o.Options.Value("fused_activation_function"); v {
	case tflitefb.ActNone:
	case tflitefb.ActRelu:
		act = benchmarks.Clamp(0, math.Inf(1))
	case tflitefb.ActRelu6:
		act = benchmarks.Clamp(0, 6)
	default:
		return "", fmt.Sprintf("a fused activation of number %.0f", v)
	}
	if prec == lut.INT8 {
		act = ""
	}
	return act, ""
}

// element is a key of an element-wise kind on tensor t.
func (r *Fused) element(o *graph.Operator, kind string, t int32, attrs map[string]string) (lut.Op, string) {
	prec, why := r.precision(t, -1)
	if why != "" {
		return lut.Op{}, why
	}
	return lut.NewOp(kind, prec, attrs, r.at(r.Model.Tensors[t].Shape)), ""
}

// isMap reports a tensor of maps, channels last.
func (r *Fused) isMap(s []int32) bool { return len(s) == 4 && int(s[0]) == r.Batch }

// at are the axes of a tensor: of maps c, h, w; of rows seq, dim; a lone row is a vector.
func (r *Fused) at(s []int32) map[string]int {
	if r.isMap(s) {
		return map[string]int{"c": int(s[3]), "h": int(s[1]), "w": int(s[2])}
	}
	if len(s) == 0 {
		return map[string]int{"c": 1, "h": 1, "w": 1}
	}
	return r.rows(s, len(s)-1)
}

// rows are seq and dim where a row holds the dimensions from axis a on.
func (r *Fused) rows(s []int32, a int) map[string]int {
	seq, dim := r.outer(s[:a]), graph.Size(s[a:])
	if seq == 1 {
		return map[string]int{"c": dim, "h": 1, "w": 1}
	}
	return map[string]int{"seq": seq, "dim": dim}
}

// outer says how many elements the leading dimensions have, without the batch.
func (r *Fused) outer(s []int32) int {
	n := graph.Size(s)
	if len(s) > 0 && int(s[0]) == r.Batch {
		n /= r.Batch
	}
	return max(1, n)
}

func pair(h, w int) string {
	if h == w {
		return strconv.Itoa(h)
	}
	return fmt.Sprintf("%dx%d", h, w)
}

// Price gives every operator its key, or a reason why it has none.
func (r *Fused) Price() *network.Network {
	net := &network.Network{Batch: r.Batch, Kernels: []network.Kernel{}, Unpriced: []network.Unpriced{}, Free: []network.Free{}}
	if r.Restated > 0 {
		net.Warnings = append(net.Warnings, fmt.Sprintf("the file states other shapes for %d tensors than their operators make; LiteRT computes the operators'", r.Restated))
	}
	parts := map[*graph.Operator][]string{}
	for _, o := range r.Operators {
		if r.of(o).within != nil {
			parts[r.of(o).within] = append(parts[r.of(o).within], o.String())
		}
	}
	for _, o := range r.Operators {
		if r.of(o).within != nil {
			continue
		}
		title := o.Title()
		label := title
		if len(o.Outputs) > 0 && r.Out(o).Name != "" {
			label, _, _ = strings.Cut(r.Out(o).Name, ";") // the converter joins the names of what it fused
		}
		op, free, why := r.price(o)
		if why == "" && free == "" {
			if _, err := lut.ParseOp(op.String()); err != nil { // a damaged file's shape of billions
				why = "no key can say its sizes"
			}
		}
		switch {
		case why != "":
			net.Unpriced = append(net.Unpriced, network.Unpriced{Name: label, Op: title, Reason: why})
		case free != "":
			net.Free = append(net.Free, network.Free{Name: label, Op: title, Why: free})
		default:
			net.Kernels = append(net.Kernels, network.Kernel{Name: label, Op: op, Nodes: append(parts[o], o.String())})
		}
	}
	return net
}
