package deviceplan

import (
	"fmt"

	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/lut"
)

// probes are kernels of ways to compute that networks outside a census have and that one within it may lack: of a kind
// that moves single elements no other kernel of it tells anything, and of transposed convolutions none is in the built-in census.
var probes = []string{
	"transpose[perm=2-1-0]/%s@d0=96,d1=196,d2=8",
	"transpose[perm=2-1-0]/%s@d0=8,d1=49,d2=192",
	"transpose[perm=0-3-2-1]/%s@d0=4,d1=64,d2=16,d3=24",
	"deconv[k=2,s=2]/%s@cin=128,cout=64,h=14,w=14",
	"deconv[k=3,s=1]/%s@cin=96,cout=192,h=14,w=14",
	"deconv[k=3,s=2]/%s@cin=64,cout=32,h=28,w=28",
	"deconv[k=4,s=2]/%s@cin=96,cout=96,h=14,w=14",
}

// rare adds what the floors lack: the probes of each precision, and of kinds and regimes that the census has too few
// kernels of, the same at half and at double an axis.
func rare(want []census.Kernel) []lut.Op {
	kinds, regimes, precisions := map[string]int{}, map[string]int{}, map[lut.Precision]bool{}
	have := map[string]bool{}
	for _, k := range want {
		kinds[kindOf(k.Op)]++
		regimes[regime(k.Op)]++
		precisions[k.Op.Precision] = true
		have[k.Op.String()] = true
	}
	var out []lut.Op
	add := func(key string) {
		if op, err := lut.ParseOp(key); err == nil && !have[op.String()] {
			have[op.String()] = true
			out = append(out, op)
		}
	}
	for _, p := range []lut.Precision{lut.FP32, lut.INT8} {
		for _, probe := range probes {
			if precisions[p] {
				add(fmt.Sprintf(probe, p))
			}
		}
	}
	for _, k := range want {
		if kinds[kindOf(k.Op)] >= leastOfKind && regimes[regime(k.Op)] >= leastOfRegime {
			continue
		}
		for i, axis := range k.Op.At {
			for _, size := range []int{axis.Value / 2, axis.Value * 2} {
				if size < 1 {
					continue
				}
				at := map[string]int{}
				for j, c := range k.Op.At {
					if at[c.Axis] = c.Value; j == i {
						at[c.Axis] = size
					}
				}
				attrs := map[string]string{}
				for _, a := range k.Op.Attrs {
					attrs[a.Name] = a.Value
				}
				add(lut.NewOp(k.Op.Kind, k.Op.Precision, attrs, at).String())
			}
		}
	}
	return out
}
