package ortmodel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx/graph"
	"github.com/isocost/isocost/lut"
)

// pricer gives keys. blocked says which maps the runtime keeps in its blocked
// (or, in int8, channels-last) layout: an element-wise operator in the middle of
// such maps has a key with axes c, h, w, whose frame includes the change of layout
// and back; one among plain tensors has axes seq, dim.
type pricer struct {
	g       *Fused
	blocked map[*graph.Value]bool
	last    map[*graph.Value]bool // maps whose shape here has the channels last
	inner   map[*graph.Value]bool // float maps that the runtime keeps with the channels last, whatever the file says
	leads   map[*graph.Value]bool // what leadsOn says
	ran     map[*graph.Node]bool  // of lateSizes: what is counted
	turned  map[*graph.Value]bool // quantised maps whose transposition is priced
	batch   int
	free    string   // why the node is free
	also    []lut.Op // kernels of the node beside the one it is named by
}

var prices map[string]func(*pricer, *graph.Node) (lut.Op, string)

func init() {
	const ms, nchwc = "com.microsoft:", "com.microsoft.nchwc:"
	prices = map[string]func(*pricer, *graph.Node) (lut.Op, string){
		"Conv": first.conv, ms + "FusedConv": first.conv, nchwc + "Conv": first.conv,
		"QLinearConv": qlinear.conv, ms + "QLinearConv": qlinear.conv,
		ms + "NhwcConv": first.last().conv, ms + "NhwcFusedConv": first.last().conv,
		"ConvTranspose": (*pricer).deconv,
		"MaxPool":       pool("maxpool", false), "AveragePool": pool("avgpool", false),
		nchwc + "MaxPool": pool("maxpool", false), nchwc + "AveragePool": pool("avgpool", false),
		ms + "NhwcMaxPool": pool("maxpool", true), ms + "QLinearAveragePool": pool("avgpool", false),
		"GlobalAveragePool": (*pricer).gap, nchwc + "GlobalAveragePool": (*pricer).gap, ms + "QLinearGlobalAveragePool": (*pricer).gap,
		"ReduceMean": (*pricer).reduce, "ReduceSum": (*pricer).reduce, "ReduceMax": (*pricer).reduce, "ReduceL2": (*pricer).reduce,
		"ReduceMin": (*pricer).reduce, "ReduceProd": (*pricer).reduce, "ReduceL1": (*pricer).reduce, "ReduceSumSquare": (*pricer).reduce,
		"Pow": (*pricer).pow, "PRelu": (*pricer).prelu,
		"Gemm": (*pricer).linear, ms + "FusedGemm": (*pricer).linear, ms + "QGemm": (*pricer).qgemm,
		"MatMul": (*pricer).matmul, ms + "FusedMatMul": (*pricer).matmul, "QLinearMatMul": (*pricer).qmatmul,
		ms + "DynamicQuantizeMatMul": (*pricer).matmulDynamic, ms + "MatMulNBits": (*pricer).nbits,
		"Softmax": (*pricer).softmax, ms + "QLinearSoftmax": (*pricer).softmax,
		"LayerNormalization": (*pricer).layerNorm, "@layernorm": (*pricer).layerNorm, "@layernormtail": (*pricer).layerNorm,
		"RMSNormalization": (*pricer).rmsNorm, "SimplifiedLayerNormalization": (*pricer).rmsNorm, "@rmsnorm": (*pricer).rmsNorm,
		ms + "SkipLayerNormalization": (*pricer).layerNorm,
		scaleConv:                     (*pricer).scale,
		"BatchNormalization":          channelwise("batchnorm"), "InstanceNormalization": channelwise("instancenorm"),
		"Concat": (*pricer).concat, ms + "QLinearConcat": (*pricer).concat, "Split": (*pricer).split,
		"Slice": copies("slice"), "Gather": (*pricer).gather, "Pad": copies("pad"), "Expand": copies("expand"), "Tile": copies("expand"),
		"DepthToSpace": blocks("depthtospace"), "SpaceToDepth": blocks("spacetodepth"),
		"Transpose": (*pricer).transpose, "Resize": (*pricer).resize, "Upsample": (*pricer).resize, nchwc + "Upsample": (*pricer).resize,
		"QuantizeLinear": conversion("quantize"), "DequantizeLinear": conversion("dequantize"),
		ms + "QuantizeLinear": conversion("quantize"), ms + "DequantizeLinear": conversion("dequantize"),
		nchwc + "ReorderInput": (*pricer).reorder, nchwc + "ReorderOutput": (*pricer).reorder,
		"Cast": (*pricer).cast,
	}
}

// repeat adds more kernels like the one the node is named by.
func (p *pricer) repeat(op lut.Op, more int) {
	p.also = append(p.also, slices.Repeat([]lut.Op{op}, more)...)
}

func (p *pricer) node(n *graph.Node) (lut.Op, string) {
	for i, v := range n.In {
		if v != nil && !v.Known {
			return lut.Op{}, fmt.Sprintf("the shape of its input %d (%.60s) is not known", i, v.Name)
		}
	}
	if len(n.Out) == 0 || n.Out[0] == nil {
		return lut.Op{}, "it has no output"
	}
	if !n.Out[0].Known {
		if !ruled(n.Op) {
			return lut.Op{}, "the operator is not known"
		}
		return lut.Op{}, "the shape of its output is not known"
	}
	if !slices.ContainsFunc(n.Out, func(v *graph.Value) bool { return v != nil && (!v.Known || graph.Elements(v.Shape) != 0) }) {
		p.free = network.FreeEmpty
		return lut.Op{}, ""
	}
	if ruled(n.Op) && !n.Out[0].Ruled && !onWord[n.Op] {
		return lut.Op{}, "its inputs do not fit together"
	}
	if len(n.In) == 0 || n.In[0] == nil {
		return lut.Op{}, "it has no input"
	}
	if keepsLayout(n) {
		for _, v := range n.In {
			if v != nil && v.Rank() == n.Out[0].Rank() {
				p.last[n.Out[0]] = p.last[n.Out[0]] || p.last[v]
				p.inner[n.Out[0]] = (p.inner[n.Out[0]] || p.inner[v]) && !isBytes(n.Out[0].Type)
			}
		}
	}
	if Views[n.Op] {
		p.free = network.FreeView
		p.leaveMaps(n)
		if x := n.Input(0); x != nil {
			p.blocked[n.Out[0]] = p.blocked[x] && slices.Equal(x.Shape, n.Out[0].Shape)
		}
		return lut.Op{}, ""
	}
	f, ok := prices[n.Op]
	if !ok {
		switch {
		case binaries[n.Op] != "":
			f = (*pricer).binary
		case activationOf(n) != "":
			f = (*pricer).unary
		case n.Op == "Clip":
			f = (*pricer).clip
		default:
			return lut.Op{}, "the catalogue has no kind for it"
		}
	}
	return f(p, n)
}

// keepsLayout reports that a node's result has its channels where its inputs have them.
func keepsLayout(n *graph.Node) bool {
	return binaries[n.Op] != "" || activationOf(n) != "" || n.Op == "Clip" || n.Op == "Pad" || strings.HasSuffix(n.Op, "Concat") || strings.HasSuffix(n.Op, "uantizeLinear")
}

// ruled says whether the shapes of an operator's outputs follow by a rule.
func ruled(op string) bool { return graph.HasRule(op) || Shapes[op] != nil }
