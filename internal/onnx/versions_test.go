package onnx

import "testing"

func TestChangedBetween(t *testing.T) {
	for _, c := range []struct {
		node     Node
		from, to int64
		want     int64
	}{
		{Node{Op: "Conv"}, 11, 22, 0},
		{Node{Op: "ReduceMean"}, 17, 21, 18},
		{Node{Op: "ReduceMean"}, 18, 21, 0},
		{Node{Op: "Softmax"}, 11, 21, 13},
		{Node{Op: "Split", Inputs: []string{"x", "sizes"}}, 17, 21, 0},
		{Node{Op: "Split", Inputs: []string{"x"}}, 17, 21, 18},
		{Node{Op: "Split", Inputs: []string{"x"}}, 11, 21, 13},
		{Node{Op: "BatchNormalization", Outputs: []string{"y"}}, 13, 21, 0},
	} {
		if got := ChangedBetween(&c.node, c.from, c.to); got != c.want {
			t.Errorf("%s from %d to %d changes in %d, not %d", c.node.Op, c.from, c.to, got, c.want)
		}
	}
}
