package onnxreader

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"testing"

	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/lut"
)

// randomOperators hold what random graphs are made of: those that shapes are computed with,
// and one of each way of pricing, fusing, quantising and planning.
var randomOperators = []string{"Add", "Mul", "Div", "Mod", "Pow", "Min", "Max", "Equal", "Where", "And", "Not", "Relu", "Clip", "Celu", "Sigmoid", "Sqrt", "Erf",
	"Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "QLinearMatMul", "MatMul", "MatMulInteger", "Gemm", "Einsum", "LSTM",
	"MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare", "ReduceL2",
	"Softmax", "LayerNormalization", "BatchNormalization", "InstanceNormalization", "RMSNormalization", "LRN", "PRelu",
	"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast", "Shape", "Size", "Gather", "GatherElements", "Slice", "Concat", "Split", "ConstantOfShape",
	"EyeLike", "Range", "Transpose", "Expand", "Tile", "Pad", "Resize", "Upsample", "DepthToSpace", "SpaceToDepth", "Unsqueeze", "Squeeze", "Reshape", "Flatten",
	"Identity", "Dropout", "Constant", "TopK", "ArgMax", "If", "Trilu", "CumSum", "OneHot", "GatherND", "GridSample",
	"com.microsoft:FusedConv", "com.microsoft:QLinearConv", "com.microsoft:NhwcConv", "com.microsoft:NhwcFusedConv", "com.microsoft:NhwcMaxPool",
	"com.microsoft:QLinearAveragePool", "com.microsoft:QLinearGlobalAveragePool", "com.microsoft:FusedGemm", "com.microsoft:QGemm", "com.microsoft:FusedMatMul",
	"com.microsoft:DynamicQuantizeMatMul", "com.microsoft:MatMulNBits", "com.microsoft:MatMulIntegerToFloat", "com.microsoft:QLinearSoftmax", "com.microsoft:QLinearConcat",
	"com.microsoft:QLinearAdd", "com.microsoft:QLinearMul", "com.microsoft:QLinearSigmoid", "com.microsoft:SkipLayerNormalization", "com.microsoft:Gelu", "com.microsoft:QuickGelu",
	"com.microsoft:BiasGelu", "com.microsoft:FusedMatMulActivation", "com.microsoft:QuantizeLinear", "com.microsoft:DequantizeLinear",
	"com.microsoft.nchwc:Conv", "com.microsoft.nchwc:MaxPool", "com.microsoft.nchwc:AveragePool", "com.microsoft.nchwc:GlobalAveragePool",
	"com.microsoft.nchwc:ReorderInput", "com.microsoft.nchwc:ReorderOutput", "com.microsoft.nchwc:Upsample"}

// randomModel is a model in valid wire format whose operators have whatever inputs,
// attributes and stated shapes the dice say.
func randomModel(rng *rand.Rand) *onnx.Model {
	pick := func(list []int) int { return list[rng.IntN(len(list))] }
	shape := func() []int {
		s := make([]int, rng.IntN(6))
		for i := range s {
			s[i] = pick([]int{1, 1, 2, 3, 4, 8, 16, 0})
		}
		return s
	}
	types := []onnx.DataType{onnx.Float, onnx.Float, onnx.Float, onnx.Int64, onnx.Int32, onnx.Int8, onnx.Uint8, onnx.Bool, onnx.Float16}
	g := &onnx.Graph{Name: "g"}
	names := []string{}
	for i := range 1 + rng.IntN(3) {
		in := onnx.NewValue(fmt.Sprintf("x%d", i), types[rng.IntN(len(types))], shape()...)
		g.Inputs, names = append(g.Inputs, in), append(names, in.Name)
	}
	for i := range rng.IntN(8) {
		s, typ, n := shape(), types[rng.IntN(len(types)-1)], 1
		for _, d := range s {
			n *= d
		}
		if n > 4096 {
			continue
		}
		name := fmt.Sprintf("c%d", i)
		if typ == onnx.Float {
			v := make([]float32, n)
			for j := range v {
				v[j] = float32(rng.IntN(9)-2) / 2
			}
			g.Initializers = append(g.Initializers, onnx.FloatTensor(name, typ, v, s...))
		} else {
			v := make([]int64, n)
			for j := range v {
				v[j] = int64(rng.IntN(6) - 1)
				if typ == onnx.Uint8 || typ == onnx.Bool {
					v[j] = max(0, min(v[j], 1))
				}
			}
			g.Initializers = append(g.Initializers, onnx.IntTensor(name, typ, v, s...))
		}
		names = append(names, name)
	}
	for i := range 2 + rng.IntN(10) {
		n := &onnx.Node{Name: fmt.Sprintf("n%d", i), Op: randomOperators[rng.IntN(len(randomOperators))]}
		for _, domain := range []string{"com.microsoft", "com.microsoft.nchwc"} {
			if k := len(domain); len(n.Op) > k && n.Op[:k+1] == domain+":" {
				n.Domain, n.Op = domain, n.Op[k+1:]
				break
			}
		}
		inputs := 3 + rng.IntN(6)
		if rng.IntN(20) == 0 {
			inputs = rng.IntN(3)
		}
		for range inputs {
			name := names[rng.IntN(len(names))]
			if rng.IntN(100) == 0 {
				name = ""
			}
			n.Inputs = append(n.Inputs, name)
		}
		for _, a := range []string{"axis", "axes", "perm", "pads", "strides", "kernel_shape", "dilations", "group", "to", "keepdims", "blocksize", "k", "transA", "transB",
			"starts", "ends", "split", "channels_last", "bits", "K", "N", "channels", "hidden_size", "num_outputs", "fmod", "value_ints", "value_int"} {
			if rng.IntN(5) > 0 {
				continue
			}
			if rng.IntN(2) == 0 {
				n.Attrs = append(n.Attrs, onnx.IntAttr(a, int64(rng.IntN(8)-2)))
				continue
			}
			list := &onnx.Attr{Name: a, Type: onnx.AttrInts}
			for range rng.IntN(6) {
				list.Ints = append(list.Ints, int64(rng.IntN(6)-1))
			}
			n.Attrs = append(n.Attrs, list)
		}
		for j := range 1 + rng.IntN(3) {
			name := fmt.Sprintf("v%d_%d", i, j)
			n.Outputs = append(n.Outputs, name)
			if rng.IntN(3) == 0 {
				g.ValueInfos = append(g.ValueInfos, onnx.NewValue(name, types[rng.IntN(len(types))], shape()...))
			}
			names = append(names, name)
			if rng.IntN(4) == 0 {
				g.Outputs = append(g.Outputs, onnx.NewValue(name, onnx.Float))
			}
		}
		g.Nodes = append(g.Nodes, n)
	}
	return &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 18}, {Domain: "com.microsoft", Version: 1}, {Domain: "com.microsoft.nchwc", Version: 1}}, Graph: g}
}

// readRandom reads the random model of a seed: it ends in an error or in a network whose
// every key is canonical.
func readRandom(t *testing.T, seed uint64) (read bool) {
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("seed %d: %v\n%s", seed, r, debug.Stack())
		}
	}()
	m := randomModel(rand.New(rand.NewPCG(seed, 18)))
	for _, lowered := range []bool{false, true} {
		net, err := ReadModel(m, Options{Target: ortmodel.Target{}, Lowered: lowered})
		if err != nil {
			continue
		}
		read = true
		for _, k := range net.Kernels {
			if back, err := lut.ParseOp(k.Op.String()); err != nil || back.String() != k.Op.String() {
				t.Errorf("seed %d: kernel %q has key %q: %v", seed, k.Name, k.Op, err)
			}
		}
	}
	return read
}

// Changing bytes of a file seldom changes a shape; this does nothing else.
func TestRandomGraphs(t *testing.T) {
	count, read := 4000, 0
	if testing.Short() {
		count = 500
	}
	for seed := range count {
		if readRandom(t, uint64(seed)) {
			read++
		}
		if t.Failed() {
			return
		}
	}
	if read < count/4 {
		t.Errorf("%d of %d random graphs were read: the test looks at refusals only", read, count)
	}
}

func FuzzRandomGraphs(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { readRandom(t, seed) })
}
