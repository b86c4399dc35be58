package tflitereader

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/tflitefb"
)

// spoilt is a written model, changed.
func spoilt(t *testing.T, key string, spoil func(*tflitefb.Model)) *network.Network {
	t.Helper()
	m, err := tflitefb.Decode(written(t, key))
	if err != nil {
		t.Fatal(err)
	}
	spoil(m)
	net, err := ReadModel(m, Options{Name: "net"})
	if err != nil {
		t.Fatal(err)
	}
	return net
}

func reasons(n *network.Network) (out []string) {
	for _, u := range n.Unpriced {
		out = append(out, u.Op+": "+u.Reason)
	}
	return out
}

// Weights of a type that no precision stands for leave their layer without a key.
func TestNarrowWeightsAreNotFloat(t *testing.T) {
	for key, want := range map[string]string{
		"linear/fp32@cin=16,cout=24,m=10":          "FULLY_CONNECTED: floats by weights of type int4",
		"linear/int8@cin=16,cout=24,m=10":          "FULLY_CONNECTED: bytes by weights of type int4",
		"conv[k=3,s=1]/fp32@cin=8,cout=16,h=8,w=8": "CONV_2D: floats by weights of type int4",
		"conv[k=3,s=1]/int8@cin=8,cout=16,h=8,w=8": "CONV_2D: bytes by weights of type int4",
	} {
		net := spoilt(t, key, func(m *tflitefb.Model) {
			for _, o := range m.Operators {
				if o.Code == tflitefb.FullyConnected || o.Code == tflitefb.Conv2D {
					m.Tensors[o.Inputs[1]].Type = tflitefb.Int4
				}
			}
		})
		if !slices.Contains(reasons(net), want) {
			t.Errorf("%s: unpriced %q, kernels %v", key, reasons(net), keysOf(net))
		}
	}
}

// A strided slice that turns a map round keeps its size, and is not a view.
func TestBackwardsIsNoView(t *testing.T) {
	ints := func(v ...int32) tflitefb.Tensor {
		var b []byte
		for _, x := range v {
			b = binary.LittleEndian.AppendUint32(b, uint32(x))
		}
		return tflitefb.Tensor{Type: tflitefb.Int32, Shape: []int32{int32(len(v))}, Data: b}
	}
	for stride, want := range map[int32]int{1: 0, -1: 1} {
		shape := []int32{1, 8, 6, 4}
		m := &tflitefb.Model{Inputs: []int32{0}, Outputs: []int32{1},
			Tensors:   []tflitefb.Tensor{{Name: "x", Shape: shape}, {Name: "y", Shape: shape}, ints(0, 0, 0, 0), ints(1, 8, 6, 4), ints(1, 1, stride, 1)},
			Operators: []tflitefb.Operator{{Code: tflitefb.StridedSlice, Inputs: []int32{0, 2, 3, 4}, Outputs: []int32{1}}}}
		net, err := ReadModel(m, Options{Name: "net"})
		if err != nil {
			t.Fatal(err)
		}
		if len(net.Unpriced) != want || len(net.Free) != 1-want {
			t.Errorf("stride %d: unpriced %q, free %v", stride, reasons(net), net.Free)
		}
	}
}

// Shapes that do not join leave an operator of two inputs without a key.
func TestPairsThatDoNotFit(t *testing.T) {
	for _, c := range []struct {
		other, out []int32
		unpriced   []string
		warnings   int
	}{
		{[]int32{4}, []int32{1, 8, 6, 4}, nil, 0},
		{[]int32{3}, []int32{1, 8, 6, 4}, []string{"ADD: its inputs do not fit together"}, 0},
		{[]int32{4}, []int32{}, nil, 1}, // LiteRT computes the shape, whatever is stated
		{[]int32{4}, []int32{1, 8, 6, 5}, nil, 1},
	} {
		m := &tflitefb.Model{Inputs: []int32{0, 1}, Outputs: []int32{2},
			Tensors:   []tflitefb.Tensor{{Name: "x", Shape: []int32{1, 8, 6, 4}}, {Name: "s", Shape: c.other}, {Name: "y", Shape: c.out}},
			Operators: []tflitefb.Operator{{Code: tflitefb.Add, Inputs: []int32{0, 1}, Outputs: []int32{2}}}}
		net, err := ReadModel(m, Options{Name: "net"})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(reasons(net), c.unpriced) || len(net.Warnings) != c.warnings || len(net.Kernels)+len(net.Unpriced) != 1 {
			t.Errorf("%v and %v: unpriced %q, kernels %v, warnings %q", c.other, c.out, reasons(net), keysOf(net), net.Warnings)
		}
	}
}
