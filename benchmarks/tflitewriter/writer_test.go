package tflitewriter_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

func build(t *testing.T, keys ...string) *graph.Graph {
	t.Helper()
	var c benchmarks.Chain
	for _, k := range keys {
		op, err := lut.ParseOp(k)
		if err != nil {
			t.Fatal(err)
		}
		c = append(c, op)
	}
	g, err := benchmarks.Build(c, benchmarks.BuildOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// operators lists a model's operators in order.
func operators(t *testing.T, g *graph.Graph) string {
	t.Helper()
	file, err := tflitewriter.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	again, err := tflitewriter.Write(g)
	if err != nil || !bytes.Equal(file, again) {
		t.Errorf("writing twice gives other bytes (%v)", err)
	}
	m, err := tflitefb.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, op := range m.Operators {
		names = append(names, op.Code.String())
	}
	return strings.Join(names, " ")
}

// TestOperatorsAreWrittenAsTFLite: the models hold the operators TensorFlow's converter would write,
// and no transposition the channels-last layout makes needless.
func TestOperatorsAreWrittenAsTFLite(t *testing.T) {
	for keys, want := range map[string]string{
		"mbconv[act=relu6,k=3,res=1,s=1]/fp32@cin=16,cout=16,h=8,mid=32,w=8": "CONV_2D DEPTHWISE_CONV_2D CONV_2D ADD",
		"mbconv[act=relu6,k=3,res=1,s=1]/int8@cin=16,cout=16,h=8,mid=32,w=8": "QUANTIZE CONV_2D DEPTHWISE_CONV_2D CONV_2D ADD DEQUANTIZE",
		"conv[k=3,s=2]/fp32@cin=3,cout=8,h=9,w=9":                            "CONV_2D",
		"conv[k=3,p=1,s=2]/fp32@cin=3,cout=8,h=8,w=8":                        "PAD CONV_2D",
		"conv[k=3,p=0]/fp32@cin=3,cout=8,h=8,w=8":                            "CONV_2D",
		"maxpool[k=3,p=1,s=2]/fp32@c=8,h=8,w=8":                              "PADV2 MAX_POOL_2D",
		"maxpool[k=1,s=8]/fp32@c=8,h=8,w=8":                                  "SLICE",
		"maxpool[k=1,s=8]/int8@c=8,h=8,w=8":                                  "QUANTIZE SLICE DEQUANTIZE",
		"maxpool[k=1,s=4]/fp32@c=8,h=8,w=8":                                  "MAX_POOL_2D",
		"conv[k=1]/fp16@cin=8,cout=8,h=4,w=4":                                "DEQUANTIZE DEQUANTIZE CONV_2D",
		"gap/fp32@c=8,h=4,w=4 linear/fp32@cin=8,cout=10,m=1":                 "MEAN RESHAPE FULLY_CONNECTED",
		"conv[act=silu,k=1]/fp32@cin=8,cout=8,h=4,w=4":                       "CONV_2D LOGISTIC MUL",
		"hsigmoid/int8@c=8,h=4,w=4":                                          "QUANTIZE ADD MUL DEQUANTIZE",
		"avgpool[k=3,p=1,s=2]/fp32@c=8,h=8,w=8":                              "PAD AVERAGE_POOL_2D MUL",
		"batchnorm/fp32@c=8,h=4,w=4":                                         "MUL ADD",
		"batchnorm/int8@c=8,h=4,w=4":                                         "QUANTIZE MUL ADD DEQUANTIZE",
		"instancenorm/fp32@c=8,h=4,w=4":                                      "MEAN SUB SQUARED_DIFFERENCE MEAN ADD RSQRT MUL MUL ADD",
		"tanh/int8@c=8,h=4,w=4":                                              "QUANTIZE TANH DEQUANTIZE",
		"clip/int8@c=8,h=4,w=4":                                              "QUANTIZE RELU_N1_TO_1 DEQUANTIZE",
		"expand/int8@c=8,h=4,w=4":                                            "QUANTIZE BROADCAST_TO DEQUANTIZE",
		"pad/int8@c=8,h=4,w=4":                                               "QUANTIZE PAD DEQUANTIZE",
		"sub[b=s]/int8@c=8,h=4,w=4":                                          "QUANTIZE QUANTIZE SUB DEQUANTIZE",
		"reduce[op=max]/int8@m=4,n=8":                                        "QUANTIZE REDUCE_MAX QUANTIZE DEQUANTIZE",
		"reduce[op=l2]/fp32@m=4,n=8":                                         "SQUARE SUM SQRT",
		// What has no integer form stands between a DEQUANTIZE and a QUANTIZE.
		"div[b=s]/int8@c=8,h=4,w=4": "QUANTIZE QUANTIZE DEQUANTIZE DEQUANTIZE DIV QUANTIZE DEQUANTIZE",
	} {
		if got := operators(t, build(t, strings.Fields(keys)...)); got != want {
			t.Errorf("%s\n is  %s\nnot %s", keys, got, want)
		}
	}
}

func value(name string, shape ...int) *graph.Value { return &graph.Value{Name: name, Shape: shape} }

func node(op graph.Operator, attr []int, in, out *graph.Value) *graph.Node {
	n := &graph.Node{Op: op, Name: out.Name, In: []*graph.Value{in}, Out: []*graph.Value{out}}
	if op.String() == "transpose" {
		n.Attrs.Ints = map[string][]int{"perm": attr}
	}
	return n
}

// TestImagesBecomeTokensWithoutMovingAByte: an image becomes a sequence of tokens and back without moving a byte.
func TestImagesBecomeTokensWithoutMovingAByte(t *testing.T) {
	x, flat, tokens := value("x", 1, 8, 3, 5), value("flat", 1, 8, 15), value("tokens", 1, 15, 8)
	act, back, img, out := value("act", 1, 15, 8), value("back", 1, 8, 15), value("img", 1, 8, 3, 5), value("out", 1, 8, 3, 5)
	g := &graph.Graph{Inputs: []*graph.Value{x}, Outputs: []*graph.Value{out}, Nodes: []*graph.Node{
		node(benchmarks.Operator("reshape"), nil, x, flat), node(benchmarks.Operator("transpose"), []int{0, 2, 1}, flat, tokens), node(benchmarks.Operator("relu"), nil, tokens, act),
		node(benchmarks.Operator("transpose"), []int{0, 2, 1}, act, back), node(benchmarks.Operator("reshape"), nil, back, img), node(benchmarks.Operator("relu"), nil, img, out)}}
	if got := operators(t, g); got != "RESHAPE RELU RESHAPE RELU" {
		t.Errorf("operators %s", got)
	}
	// Without the transposition the reshape is the graph's row-major one, which in a
	// channels-last file needs one.
	g = &graph.Graph{Inputs: []*graph.Value{x}, Outputs: []*graph.Value{flat}, Nodes: []*graph.Node{node(benchmarks.Operator("reshape"), nil, x, flat)}}
	if got := operators(t, g); got != "RESHAPE TRANSPOSE" {
		t.Errorf("operators %s", got)
	}
}

func TestWeightLayout(t *testing.T) {
	g := build(t, "conv[k=3x5]/int8@cin=2,cout=4,h=8,w=8", "dwconv[k=3]/int8@c=4,h=8,w=8")
	m, err := tflitewriter.Model(g)
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range m.Operators {
		var shape []int32
		var axis int32
		switch op.Code {
		case tflitefb.Conv2D:
			shape, axis = []int32{4, 3, 5, 2}, 0
		case tflitefb.DepthwiseConv2D:
			shape, axis = []int32{1, 3, 3, 4}, 3
		default:
			continue
		}
		w := m.Tensors[op.Inputs[1]]
		if !slices.Equal(w.Shape, shape) || w.Quant.Axis != axis || len(w.Quant.Scale) != 4 {
			t.Errorf("%s: kernel %v, %d scales along axis %d", op.Code, w.Shape, len(w.Quant.Scale), w.Quant.Axis)
		}
	}
	// One element, by its index in both layouts: w[o,i,y,x] is kernel[o,y,x,i].
	var v *graph.Value
	for _, n := range g.Nodes {
		if n.Op.String() == "conv" {
			v = n.In[1]
		}
	}
	got := tflitewriter.Permuted(v.Data, v.Shape, tflitewriter.Layout{0, 2, 3, 1})
	if want := v.Data[((3*2+1)*3+2)*5+4]; got[((3*3+2)*5+4)*2+1] != want {
		t.Error("the kernel's elements are in the wrong order")
	}
}

// unknown is an operator that nobody defined.
type unknown struct{}

func (unknown) String() string { return "no such" }

func TestWriterRefusesWhatHasNoForm(t *testing.T) {
	x, y := value("x", 1, 4), value("y", 1, 4)
	for name, g := range map[string]*graph.Graph{
		"bfloat16": build(t, "conv[k=1]/bf16@cin=8,cout=8,h=4,w=4"),
		"operator": {Inputs: []*graph.Value{x}, Outputs: []*graph.Value{y}, Nodes: []*graph.Node{node(unknown{}, nil, x, y)}},
	} {
		if _, err := tflitewriter.Write(g); !errors.Is(err, tflitewriter.ErrNoForm) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Broken graphs are errors as well, not panics.
	g := &graph.Graph{Outputs: []*graph.Value{y}, Nodes: []*graph.Node{node(benchmarks.Operator("relu"), nil, x, y)}}
	if _, err := tflitewriter.Write(g); err == nil || errors.Is(err, tflitewriter.ErrNoForm) {
		t.Errorf("a value used before it is made: %v", err)
	}
}
