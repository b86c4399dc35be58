package gpudelegate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/lut"
)

// A residual block with squeeze-excite: shortcuts and functions go to the product before them,
// the scale by channels, whose map was computed long before, to none.
func TestLink(t *testing.T) {
	var in []network.Kernel
	for i, key := range strings.Fields(`
		conv[act=relu6,k=1,s=1]/fp32@cin=16,cout=64,h=14,w=14
		dwconv[k=3,s=1]/fp32@c=64,h=14,w=14
		hswish/fp32@c=64,h=14,w=14
		gap/fp32@c=64,h=14,w=14
		conv[act=relu,k=1,s=1]/fp32@cin=64,cout=8,h=1,w=1
		conv[k=1,s=1]/fp32@cin=8,cout=64,h=1,w=1
		hsigmoid/fp32@c=64,h=1,w=1
		mul[b=c]/fp32@c=64,h=14,w=14
		conv[k=1,s=1]/fp32@cin=64,cout=16,h=14,w=14
		add[act=relu,fused=1]/fp32@c=16,h=14,w=14
		concat[n=2]/fp32@c=32,h=14,w=14
		relu/fp32@c=32,h=14,w=14
		linear/fp32@cin=32,cout=10,m=1`) {
		op, err := lut.ParseOp(key)
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, network.Kernel{Op: op, Nodes: []string{fmt.Sprint(i)}})
	}
	var got strings.Builder
	for _, k := range Link(in) {
		fmt.Fprintln(&got, k.Op, strings.Join(k.Nodes, " "))
	}
	const want = `conv[act=relu,k=1,s=1]/fp32@cin=16,cout=64,h=14,w=14 0
dwconv[act=hswish,k=3,s=1]/fp32@c=64,h=14,w=14 1 2
gap/fp32@c=64,h=14,w=14 3
linear[act=relu]/fp32@cin=64,cout=8,m=1 4
linear[act=relu.mul]/fp32@cin=8,cout=64,m=1 5 6
mul[b=c]/fp32@c=64,h=14,w=14 7
conv[act=add.relu,k=1,s=1]/fp32@cin=64,cout=16,h=14,w=14 8 9
concat[n=2]/fp32@c=32,h=14,w=14 10
relu/fp32@c=32,h=14,w=14 11
linear/fp32@cin=32,cout=10,m=1 12
`
	if got.String() != want {
		t.Errorf("linked:\n%swant:\n%s", got.String(), want)
	}
}
