package benchmarks

import (
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/tfgraph"
)

// pairTF is a two-number attribute, h and w, with a default.
func pairTF(n *graph.Node, name string, def int) [2]int {
	if v := n.Attrs.Ints[name]; len(v) == 2 {
		return [2]int{v[0], v[1]}
	}
	return [2]int{def, def}
}

// imageTF is h and w as TensorFlow lists them: N,H,W,C.
func imageTF(v [2]int) []int64 { return []int64{1, int64(v[0]), int64(v[1]), 1} }

// paddingTF says how TensorFlow would call pads {top,left,bottom,right} for a window
// over an h×w image: SAME (which puts the odd one at the end), VALID, or EXPLICIT
// with the eight numbers of N,H,W,C.
func paddingTF(n *graph.Node, size, kernel [2]int) (string, []int64) {
	pads := n.Attrs.Ints["pads"]
	if len(pads) != 4 || pads[0]|pads[1]|pads[2]|pads[3] == 0 {
		return "VALID", nil
	}
	stride, dilation := pairTF(n, "strides", 1), pairTF(n, "dilations", 1)
	same := true
	for i := range 2 {
		out := (size[i] + stride[i] - 1) / stride[i]
		total := max((out-1)*stride[i]+(kernel[i]-1)*dilation[i]+1-size[i], 0)
		same = same && pads[i] == total/2 && pads[i+2] == total-total/2
	}
	if same {
		return "SAME", nil
	}
	return "EXPLICIT", []int64{0, 0, int64(pads[0]), int64(pads[2]), int64(pads[1]), int64(pads[3]), 0, 0}
}

// windowTF are the attributes of a convolution over an image of that size.
func windowTF(n *graph.Node, size, kernel [2]int) tfgraph.Attrs {
	attrs := tfgraph.Attrs{"strides": imageTF(pairTF(n, "strides", 1))}
	name, explicit := paddingTF(n, size, kernel)
	attrs["padding"] = name
	if explicit != nil {
		attrs["explicit_paddings"] = explicit
	}
	return attrs
}

// filterTF is a kernel whose axis i is the graph's perm[i].
func filterTF(b tfgraph.Builder, k *graph.Value, perm [4]int) tfgraph.Tensor {
	data, from := b.Data(k), k.Shape
	shape := []int{from[perm[0]], from[perm[1]], from[perm[2]], from[perm[3]]}
	strides := [4]int{from[1] * from[2] * from[3], from[2] * from[3], from[3], 1}
	out := make([]float32, 0, len(data))
	for i := range shape[0] {
		for j := range shape[1] {
			for l := range shape[2] {
				for m := range shape[3] {
					out = append(out, data[i*strides[perm[0]]+j*strides[perm[1]]+l*strides[perm[2]]+m*strides[perm[3]]])
				}
			}
		}
	}
	return b.Weight(k, out, shape...)
}
