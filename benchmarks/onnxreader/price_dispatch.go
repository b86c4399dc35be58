package onnxreader

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/lut"
)

// pricer gives keys. blocked says which maps the runtime keeps in its blocked
// (or, in int8, channels-last) layout: an element-wise operator in the middle of
// such maps has a key with axes c, h, w, whose frame includes the change of layout
// and back; one among plain tensors has axes seq, dim.
type pricer struct {
	g       *graph
	blocked map[*value]bool
	last    map[*value]bool // maps whose shape here has the channels last
	inner   map[*value]bool // float maps that the runtime keeps with the channels last, whatever the file says
	leads   map[*value]bool // what leadsOn says
	ran     map[*node]bool  // of lateSizes: what is counted
	turned  map[*value]bool // quantised maps whose transposition is priced
	batch   int
	free    string   // why the node is free
	also    []lut.Op // kernels of the node beside the one it is named by
}

var prices map[string]func(*pricer, *node) (lut.Op, string)

func init() {
	const ms, nchwc = "com.microsoft:", "com.microsoft.nchwc:"
	prices = map[string]func(*pricer, *node) (lut.Op, string){
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

func (p *pricer) node(n *node) (lut.Op, string) {
	for i, v := range n.in {
		if v != nil && !v.known {
			return lut.Op{}, fmt.Sprintf("the shape of its input %d (%.60s) is not known", i, v.name)
		}
	}
	if len(n.out) == 0 || n.out[0] == nil {
		return lut.Op{}, "it has no output"
	}
	if !n.out[0].known {
		if _, ok := shapes[n.op]; !ok {
			if _, ok := runtimeShapes[n.op]; !ok {
				return lut.Op{}, "the operator is not known"
			}
		}
		return lut.Op{}, "the shape of its output is not known"
	}
	if !slices.ContainsFunc(n.out, func(v *value) bool { return v != nil && (!v.known || elements(v.shape) != 0) }) {
		p.free = network.FreeEmpty
		return lut.Op{}, ""
	}
	_, ruled := shapes[n.op]
	if _, ok := runtimeShapes[n.op]; ruled || ok {
		if !n.out[0].ruled && !onWord[n.op] {
			return lut.Op{}, "its inputs do not fit together"
		}
	}
	if len(n.in) == 0 || n.in[0] == nil {
		return lut.Op{}, "it has no input"
	}
	if keepsLayout(n) {
		for _, v := range n.in {
			if v != nil && v.rank() == n.out[0].rank() {
				p.last[n.out[0]] = p.last[n.out[0]] || p.last[v]
				p.inner[n.out[0]] = (p.inner[n.out[0]] || p.inner[v]) && !isBytes(n.out[0].dtype)
			}
		}
	}
	if views[n.op] {
		p.free = network.FreeView
		p.leaveMaps(n)
		if x := n.input(0); x != nil {
			p.blocked[n.out[0]] = p.blocked[x] && slices.Equal(x.shape, n.out[0].shape)
		}
		return lut.Op{}, ""
	}
	f, ok := prices[n.op]
	if !ok {
		switch {
		case binaries[n.op] != "":
			f = (*pricer).binary
		case activationOf(n) != "":
			f = (*pricer).unary
		case n.op == "Clip":
			f = (*pricer).clip
		default:
			return lut.Op{}, "the catalogue has no kind for it"
		}
	}
	return f(p, n)
}

// keepsLayout reports that a node's result has its channels where its inputs have them.
func keepsLayout(n *node) bool {
	return binaries[n.op] != "" || activationOf(n) != "" || n.op == "Clip" || n.op == "Pad" || strings.HasSuffix(n.op, "Concat") || strings.HasSuffix(n.op, "uantizeLinear")
}

// onWord are operators whose output's shape depends on values: where these are
// not known, the shape stated in the file is taken.
var onWord = map[string]bool{"Reshape": true, "Resize": true, "Upsample": true, "Slice": true, "Expand": true, "Tile": true, "Pad": true,
	"Squeeze": true, "Unsqueeze": true, "Flatten": true, "ReduceMean": true, "ReduceSum": true, "ReduceMax": true, "ReduceL2": true,
	"ReduceMin": true, "ReduceProd": true, "ReduceL1": true, "ReduceSumSquare": true}
