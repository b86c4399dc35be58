//go:build cgo

package tflite

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/backendtest"
	"github.com/isocost/isocost/benchmarks/tflitereader"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/internal/tflitefb/graph"
)

// Law: the shapes that the reader works out are those that LiteRT computes, of random graphs of
// valid operators, each tensor an output: where the file states others, at another length of an
// open dimension, and by a second signature. What the reader calls a misfit, LiteRT refuses.
func TestShapesAgreeWithLiteRT(t *testing.T) {
	b := New(Config{Library: nativelib.Require(t, LiteRT), Search: nativelib.Host()})
	d := backendtest.NewDifferential(t, 150)
	ran, compared, codes := 0, 0, map[tflitefb.Op]bool{}
	for seed := range d.Seeds {
		w := newGraphWriter(t, seed, 1)
		for range w.between(2, 6) {
			w.step()
		}
		w.m.Outputs = slices.Clone(w.made)
		if len(w.made) == 0 {
			continue
		}
		model, asked := w.file()
		g, err := graph.Load(w.m, graph.Options{Inputs: asked})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		misfit := slices.IndexFunc(g.Operators, func(o *graph.Operator) bool { return o.Unfit })
		out, err := outputsOf(t, b, model)
		if misfit >= 0 && err == nil {
			t.Errorf("seed %d: %s is called a misfit, and LiteRT runs\n%s", seed, g.Operators[misfit], g)
		}
		if err != nil || misfit >= 0 {
			continue
		}
		ran++
		for i, o := range out {
			at := g.Model.Outputs[i]
			if g.Unknown[at] {
				continue
			}
			compared++
			codes[g.From[at].Code] = true
			shape := []int{}
			for _, n := range g.Model.Tensors[at].Shape {
				shape = append(shape, int(n))
			}
			if !slices.Equal(shape, o.Shape) {
				d.Differs("seed %d: t%d is %v, LiteRT's %v, of\n%s", seed, at, shape, o.Shape, g)
			}
		}
	}
	d.Enough(ran, compared, fmt.Sprintf("the shapes of %d tensors of %d operators, as inferred and as LiteRT computes them", compared, len(codes)))
}

// outputsOf runs a model once.
func outputsOf(t *testing.T, b *Backend, model agent.Model) ([]agent.Tensor, error) {
	t.Helper()
	s, err := b.Open(t.Context(), model, agent.Options{Provider: CPU, Threads: 1})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.(agent.OutputReader).Outputs()
}

// file is the graph as a file, some with shapes stated that are not its operators', a batch left
// open, or a signature before the one of the graph; and what is asked of it.
func (w *graphWriter) file() (agent.Model, map[int32][]int32) {
	w.t.Helper()
	var asked map[int32][]int32
	model := agent.Model{Name: "random"}
	x := &w.m.Tensors[0]
	w.m.InputNames = []string{"x"}
	for i := range w.m.Outputs {
		w.m.OutputNames = append(w.m.OutputNames, fmt.Sprintf("y%d", i))
	}
	kind := w.rng.IntN(4)
	if slices.ContainsFunc(w.m.Operators, func(o tflitefb.Operator) bool { return o.Code == shapeOf }) {
		kind = -1 // LiteRT 2.3 crashes on tensors whose shape is computed and not as stated
	}
	switch kind {
	case 0: // another shape stated
		for range 2 {
			s := &w.m.Tensors[w.made[w.rng.IntN(len(w.made))]]
			s.Shape = slices.Repeat([]int32{1}, len(s.Shape))
		}
	case 1:
		d := w.rng.IntN(len(x.Shape))
		if n := int32(w.between(1, 9)); x.Shape[0] == 1 || d > 0 {
			x.Dynamic = slices.Clone(x.Shape)
			x.Dynamic[d] = -1
			shape := slices.Clone(x.Shape)
			shape[d] = n
			asked, model.Dims = map[int32][]int32{0: shape}, map[string]int{fmt.Sprintf("x[%d]", d): int(n)}
		}
	}
	models := []*tflitefb.Model{w.m}
	if w.rng.IntN(4) == 0 {
		other := &tflitefb.Model{Signature: "other", Inputs: []int32{0}, Outputs: []int32{1}, InputNames: []string{"x"}, OutputNames: []string{"y"},
			Tensors:   []tflitefb.Tensor{{Name: "a", Shape: []int32{3}}, {Name: "b", Shape: []int32{3}}},
			Operators: []tflitefb.Operator{{Code: tflitefb.Relu, Version: 1, Inputs: []int32{0}, Outputs: []int32{1}}}}
		models, model.Signature = []*tflitefb.Model{other, w.m}, w.m.Signature
	}
	var err error
	if model.Bytes, err = tflitefb.Encode(models[0], models[1:]...); err != nil {
		w.t.Fatal(err)
	}
	return model, asked
}

// Law: of random graphs LiteRT runs as many convolutions, products, pools, borders and so on as
// the reader finds kernels and operators without a key for them.
func TestKernelsAgreeWithLiteRT(t *testing.T) {
	if testing.Short() {
		t.Skip("profiles every graph: make test")
	}
	b := New(Config{Library: nativelib.Require(t, LiteRT), Search: nativelib.Host()})
	d := backendtest.NewDifferential(t, 12).OneIn(50) // the profiler takes 71 MB a session
	ran, compared, kinds := 0, 0, map[string]bool{}
	for seed := range d.Seeds {
		w := newGraphWriter(t, seed, 2)
		for range w.between(2, 6) {
			w.step()
		}
		w.ends()
		if len(w.m.Outputs) == 0 {
			continue
		}
		file, err := tflitefb.Encode(w.m)
		if err != nil {
			t.Fatal(err)
		}
		p, err := b.Placement(t.Context(), agent.Model{Name: "random", Bytes: file}, agent.Options{Provider: CPU, Threads: 1})
		if err != nil {
			continue
		}
		net, err := tflitereader.Read(file, "random")
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		ran++
		reads, runs := map[string]int{}, map[string]int{}
		for _, k := range net.Kernels {
			for i, n := range k.Nodes {
				if work := workOf(n); work != "pad" || i == len(k.Nodes)-1 { // a border before it is taken in
					reads[work]++
				}
			}
		}
		for _, u := range net.Unpriced {
			reads[workOf(u.Op)]++
		}
		for _, n := range p.Nodes {
			_, tag, _ := strings.Cut(n.Op, ": ")
			runs[workOf(tag)]++
		}
		delete(reads, "")
		delete(runs, "")
		for _, n := range runs {
			compared += n
		}
		for work := range runs {
			kinds[work] = true
			if reads[work] != runs[work] {
				d.Differs("seed %d: %d × %s, LiteRT %d, of\n%s%s", seed, reads[work], work, runs[work], w.describe(), p.Nodes)
			}
		}
		for work := range reads {
			if runs[work] == 0 {
				d.Differs("seed %d: %d × %s, LiteRT none, of\n%s%s", seed, reads[work], work, w.describe(), p.Nodes)
			}
		}
	}
	d.Enough(ran, compared, fmt.Sprintf("%d kernels of %d kinds of work, as read and as LiteRT profiles them", compared, len(kinds)))
}

func (w *graphWriter) describe() string {
	g, err := graph.Load(w.m, graph.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	return g.String()
}

// ends makes outputs of what nothing uses.
func (w *graphWriter) ends() {
	used := map[int32]bool{}
	for _, o := range w.m.Operators {
		for _, t := range o.Inputs {
			used[t] = true
		}
	}
	w.m.Outputs = nil
	for _, t := range w.made {
		if !used[t] {
			w.m.Outputs = append(w.m.Outputs, t)
		}
	}
}

// workOf is what an operator of the file, or a kernel that LiteRT names, does, where both are
// to be the same; "" elsewhere: XNNPACK makes several kernels of some operators and copies
// where a view does.
func workOf(name string) string {
	for _, w := range []struct {
		work  string
		names []string
	}{
		{"product", []string{"CONV_2D", "DEPTHWISE_CONV_2D", "Convolution", "FULLY_CONNECTED", "Fully Connected"}}, // a 1×1 convolution is either
		{"deconv", []string{"TRANSPOSE_CONV", "Deconvolution"}},
		{"matmul", []string{"BATCH_MATMUL", "Batch Matrix Multiply"}},
		{"maxpool", []string{"MAX_POOL_2D", "Max Pooling"}},
		{"avgpool", []string{"AVERAGE_POOL_2D", "Average Pooling"}},
		{"softmax", []string{"SOFTMAX", "Softmax"}},
		{"pad", []string{"PAD", "Constant Pad"}},
		{"resize", []string{"RESIZE_", "Resize "}},
		{"prelu", []string{"PRELU", "PReLU"}},
		{"gather", []string{"GATHER"}},
		{"space", []string{"DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "Depth To Space", "Space To Depth"}},
	} {
		for _, prefix := range w.names {
			if strings.HasPrefix(name, prefix) {
				return w.work
			}
		}
	}
	return ""
}
