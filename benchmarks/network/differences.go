package network

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/isocost/isocost/lut"
)

// Difference is work that one of two networks does more often than the other.
type Difference struct {
	Work string // an operator with its size: what is done rather than where
	// Rules and Runtime name the kernels that do it on either side, in their order.
	Rules, Runtime []string
}

// String is "-2 work" for what only the rules have twice, "+1 work" for what only the
// runtime has.
func (d Difference) String() string {
	return fmt.Sprintf("%+d %s", len(d.Runtime)-len(d.Rules), d.Work)
}

// Differences compares the kernels of one model, as the rules of a reader have it and as
// the graph that the runtime optimised has it, and what neither could price. They are
// sorted by their text; none means that the two agree. See does for what is compared.
func Differences(rules, runtime *Network) []Difference {
	a, b := rules.work(), runtime.work()
	var all []Difference
	for what, names := range a {
		if len(names) != len(b[what]) {
			all = append(all, Difference{what, names, b[what]})
		}
	}
	for what, names := range b {
		if a[what] == nil {
			all = append(all, Difference{what, nil, names})
		}
	}
	slices.SortFunc(all, func(x, y Difference) int { return cmp.Compare(x.String(), y.String()) })
	return all
}

// work lists, by what is done, the names of the kernels that do it.
func (n *Network) work() map[string][]string {
	out := map[string][]string{}
	for _, k := range n.Kernels {
		for _, what := range does(k.Op) {
			out[what] = append(out[what], k.Name)
		}
	}
	for _, u := range n.Unpriced {
		what := u.Op + ", which has no key"
		out[what] = append(out[what], u.Name)
	}
	return out
}

// does says what a kernel does: an operator with its size. Where the rules and the runtime differ by design, the difference is taken out:
//   - the runtime pads channels to its vector (16 floats) and its graph shows the padded
//     width, so widths are rounded up;
//   - gelu and silu after a linear layer (and any activation after one that quantises
//     its input) are one kernel by the rules, whose cell is measured as both, and two
//     nodes of the runtime's: they are taken apart;
//   - the runtime keeps int8 maps channels last and views of sequences as it likes,
//     so where every element is treated alike only their number counts;
//   - transpositions are where the two differ most and are left out: the runtime adds
//     those of its layout (the weights' is in a key's cell).
func does(o lut.Op) (what []string) {
	switch o.Kind {
	case "transpose":
		return nil
	case "conv", "dwconv", "matmul", "softmax", "layernorm", "gap", "maxpool", "avgpool":
		for _, c := range o.At {
			o = o.With(c.Axis, padded(c))
		}
		return []string{o.String()}
	case "linear":
		if act := o.Attr("act"); act == "gelu" || act == "silu" || act != "" && o.Precision == lut.INT8Dyn {
			m, _ := o.Coord("m")
			n, _ := o.Coord("cout")
			p := o.Precision
			if p == lut.INT8Dyn {
				p = lut.FP32
			}
			if p == lut.FP32 && m == 1 {
				n = padded(lut.Coord{Axis: "c", Value: n})
			}
			what = []string{fmt.Sprintf("%s/%s of %d", act, p, m*n)}
			o.Attrs = slices.DeleteFunc(slices.Clone(o.Attrs), func(a lut.Attr) bool { return a.Name == "act" })
		}
		return append(what, o.String())
	case "mish": // the runtime takes it apart
		for _, part := range []string{"softplus", "tanh", "mul"} {
			dim, _ := o.Coord("dim")
			seq, _ := o.Coord("seq")
			what = append(what, fmt.Sprintf("%s/%s of %d", part, o.Precision, dim*seq))
		}
		return what
	}
	n := 1
	for _, c := range o.At {
		if o.Precision == lut.INT8 {
			n *= c.Value
		} else {
			n *= padded(c)
		}
	}
	return []string{fmt.Sprintf("%s/%s of %d", o.Kind, o.Precision, n)}
}

// padded is a width rounded up to the runtime's vector; an image's three stay.
func padded(c lut.Coord) int {
	if !slices.Contains([]string{"c", "cin", "cout"}, c.Axis) || c.Value <= 3 {
		return c.Value
	}
	return (c.Value + 15) / 16 * 16
}
