package ortmodel

import (
	"slices"
	"testing"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/lut"
)

func kernels(t *testing.T, keys ...string) []network.Kernel {
	t.Helper()
	var list []network.Kernel
	for _, k := range keys {
		op, err := lut.ParseOp(k)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, network.Kernel{Name: k, Op: op})
	}
	return list
}

func TestDifferencesLeaveOutWhatDiffersByDesign(t *testing.T) {
	rules := kernels(t, "conv[k=1,s=1]/fp32@cin=20,cout=16,h=8,w=8", "linear[act=gelu]/fp32@cin=8,cout=16,m=4", "transpose[perm=1-0]/fp32@d0=2,d1=3", "erf/fp32@dim=8,seq=4")
	runtime := kernels(t, "conv[k=1,s=1]/fp32@cin=32,cout=16,h=8,w=8", "linear/fp32@cin=8,cout=16,m=4", "gelu/fp32@dim=64,seq=1", "add/fp32@dim=8,seq=2")
	a, b := &network.Network{Kernels: rules, Unpriced: []network.Unpriced{{Name: "e", Op: "Einsum"}}}, &network.Network{Kernels: runtime, Unpriced: []network.Unpriced{{Name: "e", Op: "Einsum"}, {Name: "l", Op: "Loop"}}}
	// A padded width and a separate activation do not count as differences; what only one has is.
	var got []string
	for _, d := range network.Differences(a, b, Work) {
		got = append(got, d.String())
		if d.Work == "erf/fp32 of 32" && (!slices.Equal(d.Rules, []string{"erf/fp32@dim=8,seq=4"}) || d.Runtime != nil) {
			t.Errorf("%+v does not name the kernel of the rules", d)
		}
	}
	if want := []string{"+1 Loop, which has no key", "+1 add/fp32 of 16", "-1 erf/fp32 of 32"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := network.Differences(a, a, Work); len(got) > 0 {
		t.Errorf("a network differs from itself by %v", got)
	}
}
