package network

import (
	"fmt"
	"slices"

	"github.com/isocost/isocost/lut"
)

// Differences compares two lists of kernels of one model, as the rules of a reader have
// it and as the graph that the runtime optimised has it. Each line is "-2 key" for what
// only the rules have twice, "+1 key" for what only the runtime has, sorted; none means
// that the two agree. A key is here what the kernel does rather than where: see work.
func Differences(rules, runtime []Kernel) []string {
	var diff []string
	a, b := work(rules), work(runtime)
	for what, n := range a {
		if n > b[what] {
			diff = append(diff, fmt.Sprintf("-%d %s", n-b[what], what))
		}
	}
	for what, n := range b {
		if n > a[what] {
			diff = append(diff, fmt.Sprintf("+%d %s", n-a[what], what))
		}
	}
	slices.Sort(diff)
	return diff
}

// work counts what a list of kernels does: how often each operator runs with which size.
// Where the rules and the runtime differ by design, the difference is taken out:
//   - the runtime pads channels to its vector (16 floats) and its graph shows the padded
//     width, so widths are rounded up;
//   - gelu and silu after a linear layer (and any activation after one that quantises
//     its input) are one kernel by the rules, whose cell is measured as both, and two
//     nodes of the runtime's: they are taken apart;
//   - the runtime keeps int8 maps channels last and views of sequences as it likes,
//     so where every element is treated alike only their number counts;
//   - transpositions are where the two differ most and are left out: the runtime adds
//     those of its layout (the weights' is in a key's cell).
func work(kernels []Kernel) map[string]int {
	out := map[string]int{}
	for _, k := range kernels {
		switch o := k.Op; o.Kind {
		case "transpose":
		case "conv", "dwconv", "matmul", "softmax", "layernorm", "gap", "maxpool", "avgpool":
			for _, c := range o.At {
				o = o.With(c.Axis, padded(c))
			}
			out[o.String()]++
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
				out[fmt.Sprintf("%s/%s of %d", act, p, m*n)]++
				o.Attrs = slices.DeleteFunc(slices.Clone(o.Attrs), func(a lut.Attr) bool { return a.Name == "act" })
			}
			out[o.String()]++
		case "mish": // the runtime takes it apart
			for _, part := range []string{"softplus", "tanh", "mul"} {
				dim, _ := o.Coord("dim")
				seq, _ := o.Coord("seq")
				out[fmt.Sprintf("%s/%s of %d", part, o.Precision, dim*seq)]++
			}
		default:
			n := 1
			for _, c := range o.At {
				if o.Precision == lut.INT8 {
					n *= c.Value
				} else {
					n *= padded(c)
				}
			}
			out[fmt.Sprintf("%s/%s of %d", o.Kind, o.Precision, n)]++
		}
	}
	return out
}

// padded is a width rounded up to the runtime's vector; an image's three stay.
func padded(c lut.Coord) int {
	if !slices.Contains([]string{"c", "cin", "cout"}, c.Axis) || c.Value <= 3 {
		return c.Value
	}
	return (c.Value + 15) / 16 * 16
}
