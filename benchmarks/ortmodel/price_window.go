package ortmodel

import (
	"fmt"
	"strconv"

	"github.com/isocost/isocost/internal/onnx/graph"
)

// windowAttrs are k, s, d and, when the output is not that of same padding, p.
func windowAttrs(w graph.Window, in, out []int) map[string]string {
	k, s, d := w.Kernel, w.Stride, w.Dilation
	if len(k) == 1 {
		k, s, d = []int{1, k[0]}, []int{1, s[0]}, []int{1, d[0]}
	}
	attrs := map[string]string{"k": pair(k), "s": pair(s)}
	if d[0] != 1 || d[1] != 1 {
		attrs["d"] = pair(d)
	}
	same := true
	for i := range out {
		same = same && out[i] == (in[i]+s[i]-1)/s[i]
	}
	if !same {
		b, e := w.Begin, w.End
		if len(b) == 1 {
			b, e = []int{0, b[0]}, []int{0, e[0]}
		}
		// A ceiling mode's last window hangs over: that is padding, too.
		for i := range out {
			reach := (k[i]-1)*d[i] + 1
			e[i] = max(e[i], (out[i]-1)*s[i]+reach-in[i]-b[i])
		}
		attrs["p"] = padText(b, e)
	}
	return attrs
}

// padText is the attribute p: padding before and after, of height and width.
func padText(b, e []int) string {
	if b[0] == b[1] && b[0] == e[0] && b[0] == e[1] {
		return strconv.Itoa(b[0])
	}
	return fmt.Sprintf("%d-%d-%d-%d", b[0], b[1], e[0], e[1])
}

func pair(v []int) string {
	if v[0] == v[1] {
		return strconv.Itoa(v[0])
	}
	return fmt.Sprintf("%dx%d", v[0], v[1])
}
