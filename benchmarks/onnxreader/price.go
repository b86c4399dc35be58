package onnxreader

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/lut"
)

// price gives every node that remains its key, or a reason why it has none.
func (g *graph) price() *Network {
	net := &Network{Name: g.opt.Name, Lowered: g.lowered, Dims: g.dims, Kernels: []Kernel{}, Unpriced: []Unpriced{}, Free: []Free{}, Warnings: g.warnings}
	p := &pricer{g: g, blocked: map[*value]bool{}, last: map[*value]bool{}, batch: g.batch()}
	made := map[*node]int{} // its kernel
	for _, n := range g.nodes {
		if n.dead {
			if n.why != "" {
				for _, part := range n.parts {
					op, name, _ := strings.Cut(part, " ")
					net.Free = append(net.Free, Free{Name: name, Op: op, Why: n.why})
				}
			}
			continue
		}
		p.again, p.also = 0, nil
		op, why := p.node(n)
		if why == "" && op.Kind != "" {
			if _, err := lut.ParseOp(op.String()); err != nil { // a damaged file's shape of billions
				why = "no key can say its sizes"
			}
		}
		switch {
		case why == "" && op.Kind != "":
			made[n] = len(net.Kernels)
			net.Kernels = append(net.Kernels, Kernel{Name: n.name, Op: op, Nodes: n.parts})
			for range p.again { // more work that belongs to no further node
				net.Kernels = append(net.Kernels, Kernel{Name: n.name + "+", Op: op, Nodes: []string{}})
			}
			if p.also != nil {
				net.Kernels = append(net.Kernels, Kernel{Name: n.name + "+", Op: *p.also, Nodes: []string{}})
			}
			if sum := n.input(3); n.op == "com.microsoft.nchwc:Conv" && sum != nil && len(n.out[0].shape) == 4 {
				// the runtime's convolution with an addition inside
				s := n.out[0].shape
				net.Kernels = append(net.Kernels, Kernel{Name: n.name + "+", Nodes: []string{}, Op: lut.NewOp("add", op.Precision,
					map[string]string{"fused": "1"}, map[string]int{"c": s[1], "h": s[2], "w": s[3]})})
			}
		case why == "":
			for _, part := range n.parts {
				kind, name, _ := strings.Cut(part, " ")
				net.Free = append(net.Free, Free{Name: name, Op: kind, Why: p.free})
			}
		default:
			for _, part := range n.parts {
				kind, name, _ := strings.Cut(part, " ")
				net.Unpriced = append(net.Unpriced, Unpriced{Name: name, Op: kind, Reason: why})
			}
		}
	}
	g.weigh(net, p.blocked, made)
	return net
}

// batch is the first dimension of the network's inputs where they agree, else 1.
// Keys exclude it: it belongs to the protocol.
func (g *graph) batch() int {
	b := 0
	for _, v := range g.values {
		if v.from != nil || v.constant || !v.known || len(v.shape) < 2 || len(v.to) == 0 {
			continue
		}
		if b != 0 && b != v.shape[0] {
			return 1
		}
		b = v.shape[0]
	}
	return max(b, 1)
}

// pricer gives keys. blocked says which maps the runtime keeps in its blocked
// (or, in int8, channels-last) layout: an element-wise operator in the middle of
// such maps has a key with axes c, h, w, whose frame includes the change of layout
// and back; one among plain tensors has axes seq, dim.
type pricer struct {
	g       *graph
	blocked map[*value]bool
	last    map[*value]bool // maps whose shape here has the channels last
	batch   int
	free    string  // why the node is free
	again   int     // how often more the node's kernel runs
	also    *lut.Op // a second kernel of the node
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
			if v != nil && p.last[v] && v.rank() == n.out[0].rank() {
				p.last[n.out[0]] = true
			}
		}
	}
	if views[n.op] {
		p.free = FreeView
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

// shapeOf is v's shape, of a map with the channels before height and width.
func (p *pricer) shapeOf(v *value) []int {
	if p.last[v] && len(v.shape) == 4 {
		return channelsFirst(v.shape)
	}
	return v.shape
}

// onWord are operators whose output's shape depends on values: where these are
// not known, the shape stated in the file is taken.
var onWord = map[string]bool{"Reshape": true, "Resize": true, "Upsample": true, "Slice": true, "Expand": true, "Tile": true, "Pad": true,
	"Squeeze": true, "Unsqueeze": true, "Flatten": true, "ReduceMean": true, "ReduceSum": true, "ReduceMax": true, "ReduceL2": true,
	"ReduceMin": true, "ReduceProd": true, "ReduceL1": true, "ReduceSumSquare": true}

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

// precision is what a node computes in, by its quantisation or its first computed
// input.
func (n *node) precision() (lut.Precision, string) {
	if n.int8 || strings.Contains(n.op, "QLinear") || strings.HasSuffix(n.op, ":QGemm") {
		return lut.INT8, ""
	}
	if n.dyn {
		return lut.INT8Dyn, ""
	}
	if (n.op == "Conv" || n.op == "ConvTranspose") && len(n.in) > 1 && n.in[1] != nil && n.in[1].quant && n.in[0] != nil && n.in[0].dtype == onnx.Float {
		return lut.INT8W, "" // the runtime widens its weights in every inference
	}
	for _, v := range n.in {
		if v == nil || v.constant && len(n.in) > 1 {
			continue
		}
		switch v.dtype {
		case onnx.Float:
			return lut.FP32, ""
		case onnx.Float16:
			return lut.FP16, ""
		case onnx.BFloat16:
			return lut.BF16, ""
		case onnx.Int8, onnx.Uint8:
			return lut.INT8, ""
		default:
			return "", fmt.Sprintf("it computes in %v", v.dtype)
		}
	}
	return lut.FP32, ""
}

// isMap reports that a shape is a batch of maps.
func (p *pricer) isMap(s []int) bool { return len(s) == 4 && s[0] == p.batch }

// at are the coordinates of an element-wise operator on v.
func (p *pricer) at(v *value, mapped bool) (map[string]int, string) {
	s := v.shape
	if mapped {
		s = p.shapeOf(v)
	}
	total := elements(s)
	if total < 1 {
		return nil, "an empty tensor"
	}
	if mapped && p.isMap(s) {
		return map[string]int{"c": s[1], "h": s[2], "w": s[3]}, ""
	}
	dim := 1
	if len(s) > 0 {
		dim = s[len(s)-1]
	}
	seq := total / dim
	if len(s) > 1 && s[0] == p.batch {
		seq /= p.batch
	}
	return map[string]int{"seq": max(seq, 1), "dim": dim}, ""
}

// elementOp is a key of an element-wise kind on the node's output.
func (p *pricer) elementOp(n *node, kind string, attrs map[string]string) (lut.Op, string) {
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	at, why := p.at(n.out[0], p.touchesBlocked(n))
	if why != "" {
		return lut.Op{}, why
	}
	return lut.NewOp(kind, prec, attrs, at), ""
}

func (p *pricer) touchesBlocked(n *node) bool {
	for _, v := range n.in {
		if v != nil && p.blocked[v] {
			return true
		}
	}
	return false
}

func (p *pricer) unary(n *node) (lut.Op, string) {
	act := activationOf(n)
	switch act {
	case "relu", "sigmoid", "tanh": // the blocked layout has these (NchwcTransformer)
		p.blocked[n.out[0]] = p.touchesBlocked(n)
	}
	if n.int8 && (act == "relu" || act == "relu6") {
		p.free = FreeView // the number format clamps
		return lut.Op{}, ""
	}
	return p.elementOp(n, act, nil)
}

// pow is a power of a constant exponent; runtimes multiply squares and cubes out.
func (p *pricer) pow(n *node) (lut.Op, string) {
	e, ok := n.data(1)
	if !ok || len(e) != 1 {
		return lut.Op{}, "its exponent is not one constant"
	}
	name := "0.7"
	if e[0] == 2 || e[0] == 3 {
		name = strconv.Itoa(int(e[0]))
	}
	return p.elementOp(n, "pow", map[string]string{"e": name})
}

// prelu has a constant slope for every channel of a map or feature of a sequence.
func (p *pricer) prelu(n *node) (lut.Op, string) {
	slope := n.input(1)
	if slope == nil || !slope.constant {
		return lut.Op{}, "its slope is not constant"
	}
	if out := n.out[0].shape; p.isMap(out) && broadcastKind(out, slope.shape, out, true) == "c" {
		prec, why := n.precision()
		if why != "" {
			return lut.Op{}, why
		}
		return lut.NewOp("prelu", prec, nil, map[string]int{"c": out[1], "h": out[2], "w": out[3]}), ""
	}
	return p.elementOp(n, "prelu", nil)
}

func (p *pricer) clip(n *node) (lut.Op, string) { return p.elementOp(n, "clip", nil) }

func (p *pricer) binary(n *node) (lut.Op, string) {
	a, b := n.input(0), n.input(1)
	if strings.Contains(n.op, "QLinear") {
		b = n.input(3)
	}
	if a == nil || b == nil {
		return lut.Op{}, "it has not two inputs"
	}
	out, as, bs := p.shapeOf(n.out[0]), a.shape, b.shape
	if p.last[n.out[0]] {
		if len(as) == 4 {
			as = channelsFirst(as)
		}
		if len(bs) == 4 {
			bs = channelsFirst(bs)
		}
	}
	attrs := map[string]string{}
	mapped := p.touchesBlocked(n)
	kind := binaries[n.op]
	switch c := broadcastKind(as, bs, out, p.isMap(out)); {
	case c != "":
		attrs["b"] = c
		mapped = mapped || c == "c" // of rows, c would mean the last dimension
	case kind == "add" && p.isMap(out) && inConv(n):
		p.blocked[n.out[0]] = true
		attrs["fused"], mapped = "1", true
	case kind == "add" || kind == "mul": // the blocked layout has these
		p.blocked[n.out[0]] = p.blocked[a] && p.blocked[b] || n.int8 && mapped
	}
	if act := runtimeAct(n); act != "" {
		attrs["act"] = act
	}
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	at, why := p.at(n.out[0], mapped)
	if why != "" {
		return lut.Op{}, why
	}
	return lut.NewOp(kind, prec, attrs, at), ""
}

// inConv reports that an addition goes into the float convolution that computes
// one of its operands for it alone.
func inConv(n *node) bool {
	if n.op != "Add" || n.int8 {
		return false
	}
	for _, v := range n.in {
		if only(v) && v.from != nil && v.from.op == "Conv" && !v.from.int8 && v.from.act == "" && v.dtype == onnx.Float && v.from.input(0).rank() == 4 {
			return true
		}
	}
	return false
}

func (v *value) rank() int {
	if v == nil {
		return 0
	}
	return len(v.shape)
}

// broadcastKind is the attribute b: "" for equal shapes, s for a scalar, c for one
// number a channel (or feature), x for anything else.
func broadcastKind(a, b, out []int, isMap bool) string {
	small := b
	if elements(a) < elements(b) {
		small = a
	}
	n, total := elements(small), elements(out)
	channel := out
	switch {
	case n == total:
		return ""
	case n == 1:
		return "s"
	case isMap && n == channel[1] && len(small) >= 3 && small[len(small)-3] == n:
		return "c"
	case !isMap && len(out) > 0 && n == out[len(out)-1] && small[len(small)-1] == n:
		return "c"
	}
	return "x"
}

// operands says where a convolution's input and weight are among the inputs.
type operands struct {
	x, w         int
	channelsLast bool
}

var (
	first   = operands{0, 1, false}
	qlinear = operands{0, 3, false}
)

// maxWindows bounds the convolutions that one node stands for.
const maxWindows = 1024

func (o operands) last() operands { o.channelsLast = true; return o }

func (o operands) conv(p *pricer, n *node) (lut.Op, string) {
	x, w := n.input(o.x), n.input(o.w)
	if x == nil || w == nil {
		return lut.Op{}, "it has no weight"
	}
	if !w.constant {
		return lut.Op{}, "its weight is computed"
	}
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	in, out := x.shape, n.out[0].shape
	if o.channelsLast || n.int("channels_last", 0) == 1 {
		in, out = channelsFirst(in), channelsFirst(out)
	}
	if len(in) == 3 { // one-dimensional
		in, out = slices.Insert(slices.Clone(in), 2, 1), slices.Insert(slices.Clone(out), 2, 1)
	}
	if len(in) != 4 {
		return lut.Op{}, fmt.Sprintf("a convolution over %d dimensions", len(in)-2)
	}
	if in[0] < p.batch || in[0]%p.batch != 0 || in[0]/p.batch > maxWindows {
		return lut.Op{}, fmt.Sprintf("its batch is %d, the network's %d", in[0], p.batch)
	}
	p.again = in[0]/p.batch - 1 // windows of a map, side by side as a batch
	win, ok := n.slide(x.shape[2:len(x.shape):len(x.shape)], w.shape[2:])
	if o.channelsLast || n.int("channels_last", 0) == 1 {
		win, ok = n.slide(x.shape[1:len(x.shape)-1], w.shape[2:])
	}
	if !ok {
		return lut.Op{}, "its kernel does not fit its input"
	}
	attrs := windowAttrs(win, in[2:], out[2:])
	act := n.act
	if act == "" {
		act = runtimeAct(n)
	}
	if act != "" && !(prec == lut.INT8 && (act == "relu" || act == "relu6")) { // in int8 the number format clamps
		attrs["act"] = act
	}
	p.blocked[n.out[0]] = len(x.shape) == 4
	p.last[n.out[0]] = o.channelsLast || n.int("channels_last", 0) == 1
	g := n.groups
	// The runtime's blocked weights are padded to whole blocks, the map it reorders is not.
	padded := n.op == "com.microsoft.nchwc:Conv" && g == out[1] && w.shape[1] == 1 && in[1] < g
	if g > 1 && g == out[1] && (in[1] == g || padded) {
		return lut.NewOp("dwconv", prec, attrs, map[string]int{"h": in[2], "w": in[3], "c": in[1]}), ""
	}
	if g > 1 {
		attrs["g"] = strconv.Itoa(g)
	}
	return lut.NewOp("conv", prec, attrs, map[string]int{"h": in[2], "w": in[3], "cin": in[1], "cout": out[1]}), ""
}

// windowAttrs are k, s, d and, when the output is not that of same padding, p.
func windowAttrs(w window, in, out []int) map[string]string {
	k, s, d := w.k, w.s, w.d
	if len(k) == 1 {
		k, s, d = []int{1, k[0]}, []int{1, s[0]}, []int{1, d[0]}
	}
	attrs := map[string]string{"k": pair(k), "s": pair(s)}
	if d[0] != 1 || d[1] != 1 {
		attrs["d"] = pair(d)
	}
	same := true
	for i := range out {
		same = same && out[i] == (in[i]+s[i]-1)/s[i]
	}
	if !same {
		b, e := w.begin, w.end
		if len(b) == 1 {
			b, e = []int{0, b[0]}, []int{0, e[0]}
		}
		// A ceiling mode's last window hangs over: that is padding, too.
		for i := range out {
			reach := (k[i]-1)*d[i] + 1
			e[i] = max(e[i], (out[i]-1)*s[i]+reach-in[i]-b[i])
		}
		attrs["p"] = padText(b, e)
	}
	return attrs
}

// padText is the attribute p: padding before and after, of height and width.
func padText(b, e []int) string {
	if b[0] == b[1] && b[0] == e[0] && b[0] == e[1] {
		return strconv.Itoa(b[0])
	}
	return fmt.Sprintf("%d-%d-%d-%d", b[0], b[1], e[0], e[1])
}

func pair(v []int) string {
	if v[0] == v[1] {
		return strconv.Itoa(v[0])
	}
	return fmt.Sprintf("%dx%d", v[0], v[1])
}

// runtimeAct is the activation a runtime's fused operator carries.
func runtimeAct(n *node) string {
	if n.src == nil {
		return ""
	}
	switch act := n.src.Str("activation", ""); act {
	case "Relu":
		return "relu"
	case "Sigmoid":
		return "sigmoid"
	case "HardSigmoid":
		return "hsigmoid"
	case "HardSwish":
		return "hswish"
	case "Clip":
		if a := n.src.Attr("activation_params"); a != nil && len(a.Floats) == 2 && a.Floats[0] == 0 {
			if a.Floats[1] == 6 {
				return "relu6"
			} else if a.Floats[1] > 1e30 {
				return "relu"
			}
		}
		return "relu6" // another clamp costs the same
	case "Tanh", "LeakyRelu", "Gelu", "QuickGelu":
		return map[string]string{"Tanh": "tanh", "LeakyRelu": "leakyrelu", "Gelu": "gelu", "QuickGelu": "silu"}[act]
	}
	return ""
}

func (p *pricer) deconv(n *node) (lut.Op, string) {
	x, w := n.in[0], n.in[1]
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	if len(x.shape) != 4 || x.shape[0] != p.batch || !w.constant {
		return lut.Op{}, "not a transposed convolution of a map by a constant"
	}
	k := n.kernelOf(1)
	s := n.ints("strides")
	if len(s) != 2 {
		s = []int{1, 1}
	}
	attrs := map[string]string{"k": pair(k), "s": pair(s)}
	if n.groups > 1 {
		attrs["g"] = strconv.Itoa(n.groups)
	}
	if n.act != "" {
		attrs["act"] = n.act
	}
	if len(k) != 2 || k[0] < s[0] || k[1] < s[1] {
		return lut.Op{}, "its kernel is smaller than its stride"
	}
	for _, d := range n.ints("dilations") {
		if d != 1 {
			return lut.Op{}, "a dilated transposed convolution"
		}
	}
	// The padding that gives this output, whatever auto_pad, output_padding and
	// output_shape say it with.
	out := n.out[0].shape[2:]
	if out[0] != x.shape[2]*s[0] || out[1] != x.shape[3]*s[1] {
		b, e := [2]int{}, [2]int{}
		pads := n.ints("pads")
		for i := range 2 {
			total := (x.shape[2+i]-1)*s[i] + k[i] - out[i]
			if total < 0 {
				return lut.Op{}, "its output is larger than what its kernel reaches"
			}
			b[i] = total / 2
			if len(pads) == 4 && pads[i] >= 0 {
				b[i] = min(pads[i], total)
			}
			e[i] = total - b[i]
		}
		attrs["p"] = padText(b[:], e[:])
	}
	return lut.NewOp("deconv", prec, attrs, map[string]int{"h": x.shape[2], "w": x.shape[3], "cin": x.shape[1], "cout": n.out[0].shape[1]}), ""
}

func pool(kind string, last bool) func(*pricer, *node) (lut.Op, string) {
	return func(p *pricer, n *node) (lut.Op, string) {
		x := n.in[0]
		prec, why := n.precision()
		if why != "" {
			return lut.Op{}, why
		}
		in, out := x.shape, n.out[0].shape
		if last || n.int("channels_last", 0) == 1 {
			in, out = channelsFirst(in), channelsFirst(out)
			p.last[n.out[0]] = true
		}
		if len(in) != 4 || in[0] != p.batch {
			return lut.Op{}, "not the pooling of a map"
		}
		win, ok := n.slide(in[2:], n.ints("kernel_shape"))
		if !ok {
			return lut.Op{}, "its window does not fit its input"
		}
		p.blocked[n.out[0]] = p.blocked[x]
		return lut.NewOp(kind, prec, windowAttrs(win, in[2:], out[2:]), map[string]int{"c": in[1], "h": in[2], "w": in[3]}), ""
	}
}

func (p *pricer) gap(n *node) (lut.Op, string) {
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	s := n.in[0].shape
	if n.int("channels_last", 0) == 1 {
		s = channelsFirst(s)
		p.last[n.out[0]] = true
	}
	if len(s) != 4 || s[0] != p.batch {
		return lut.Op{}, "not the pooling of a map"
	}
	p.blocked[n.out[0]] = p.blocked[n.in[0]]
	return lut.NewOp("gap", prec, nil, map[string]int{"c": s[1], "h": s[2], "w": s[3]}), ""
}

func (p *pricer) reduce(n *node) (lut.Op, string) {
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	s := n.in[0].shape
	axes, ok := n.reduceAxes()
	if !ok {
		return lut.Op{}, "its axes are not constant"
	}
	if elements(s) < 1 {
		return lut.Op{}, "an empty tensor"
	}
	if n.op == "ReduceMean" {
		if p.isMap(s) && !axes[0] && !axes[1] && axes[2] && axes[3] {
			return lut.NewOp("gap", prec, nil, map[string]int{"c": s[1], "h": s[2], "w": s[3]}), ""
		}
		if len(s) == 3 && s[0] == p.batch && !axes[0] && axes[1] && !axes[2] {
			return lut.NewOp("gap", prec, nil, map[string]int{"seq": s[1], "dim": s[2]}), ""
		}
	}
	// Over one run of neighbouring dimensions: outer × reduced × inner.
	lo, hi := slices.Index(axes, true), len(axes)
	if lo < 0 {
		p.free = FreeView
		return lut.Op{}, ""
	}
	for hi > 0 && !axes[hi-1] {
		hi--
	}
	for _, on := range axes[lo:hi] {
		if !on {
			return lut.Op{}, "it reduces over dimensions that are not neighbours"
		}
	}
	op := strings.ToLower(strings.TrimPrefix(n.op, "Reduce"))
	outer, inner := elements(s[:lo]), elements(s[hi:])
	if len(s) > 0 && lo > 0 && s[0] == p.batch {
		outer /= p.batch
	}
	attrs := map[string]string{"op": op}
	if inner > 1 {
		attrs["axis"] = "inner"
		return lut.NewOp("reduce", prec, attrs, map[string]int{"b": max(1, outer), "m": elements(s[lo:hi]), "n": inner}), ""
	}
	return lut.NewOp("reduce", prec, attrs, map[string]int{"m": max(1, outer), "n": elements(s[lo:hi])}), ""
}

func (p *pricer) rows(s []int) int {
	m := elements(s[:len(s)-1])
	if len(s) > 1 && s[0]%p.batch == 0 {
		m /= p.batch
	}
	return max(m, 1)
}

func (p *pricer) linearOp(n *node, x []int, cin, cout int) (lut.Op, string) {
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	attrs := map[string]string{}
	act := n.act
	if act == "" {
		act = runtimeAct(n)
	}
	if act != "" && !(prec == lut.INT8 && (act == "relu" || act == "relu6")) {
		attrs["act"] = act
	}
	m := p.rows(x)
	if elements(x) < 1 || cin < 1 || cout < 1 {
		return lut.Op{}, "an empty tensor"
	}
	return lut.NewOp("linear", prec, attrs, map[string]int{"m": m, "cin": cin, "cout": cout}), ""
}

func (p *pricer) linear(n *node) (lut.Op, string) {
	a, b := n.in[0], n.in[1]
	if a.constant || !b.constant {
		return lut.Op{}, "not a product with constant weights"
	}
	out := n.out[0].shape
	k := a.shape[1]
	x := a.shape
	if n.int("transA", 0) == 1 {
		k, x = a.shape[0], swapLast(x)
	}
	return p.linearOp(n, x, k, out[1])
}

func (p *pricer) qgemm(n *node) (lut.Op, string) {
	a := n.in[0]
	out := n.out[0].shape
	return p.linearOp(n, a.shape, a.shape[1], out[1])
}

func (p *pricer) matmul(n *node) (lut.Op, string) { return p.product(n, n.in[0], n.in[1]) }

func (p *pricer) qmatmul(n *node) (lut.Op, string) { return p.product(n, n.input(0), n.input(3)) }

func (p *pricer) matmulDynamic(n *node) (lut.Op, string) {
	if len(n.in) < 2 || n.in[1] == nil || !n.in[1].constant {
		return lut.Op{}, "a dynamically quantised product of two activations"
	}
	n.dyn = true
	return p.product(n, n.in[0], n.in[1])
}

// nbits is a product with weights of 8 bits, the catalogue's int8w, or fewer.
func (p *pricer) nbits(n *node) (lut.Op, string) {
	if bits := n.int("bits", 4); bits != 8 {
		return lut.Op{}, fmt.Sprintf("weights of %d bits", bits)
	}
	out := n.out[0].shape
	op, why := p.linearOp(n, n.in[0].shape, n.int("K", 0), out[len(out)-1])
	if why == "" && op.Precision != lut.FP32 {
		return lut.Op{}, "weights of 8 bits with other activations than float"
	}
	op.Precision = lut.INT8W
	return op, why
}

func (p *pricer) product(n *node, a, b *value) (lut.Op, string) {
	if a == nil || b == nil || len(a.shape) < 2 || len(b.shape) < 2 {
		return lut.Op{}, "not a product of matrices"
	}
	out := n.out[0].shape
	if elements(out) < 1 || elements(a.shape) < 1 {
		return lut.Op{}, "an empty tensor"
	}
	m, cols := out[len(out)-2], out[len(out)-1]
	k := elements(a.shape) / max(1, elements(a.shape[:len(a.shape)-2])) / m
	if b.constant && !a.constant && len(b.shape) == 2 {
		return p.linearOp(n, append(slices.Clone(out[:len(out)-1]), k), k, cols)
	}
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	batch := elements(out[:len(out)-2])
	if len(out) > 2 && out[0]%p.batch == 0 {
		batch /= p.batch
	}
	if k < 1 {
		return lut.Op{}, "an empty tensor"
	}
	return lut.NewOp("matmul", prec, nil, map[string]int{"b": max(1, batch), "m": m, "k": k, "n": cols}), ""
}

func (p *pricer) softmax(n *node) (lut.Op, string) {
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	s := n.in[0].shape
	def := -1
	if p.g.opset < 13 {
		def = 1
	}
	a, ok := axis(n.int("axis", def), len(s))
	if !ok || elements(s) < 1 {
		return lut.Op{}, "its axis is not one of its input"
	}
	inner := elements(s[a+1:])
	if p.g.opset < 13 && n.op == "Softmax" { // over all dimensions from the axis on
		inner = 1
		s = []int{elements(s[:a]), elements(s[a:])}
		a = 1
	}
	outer := elements(s[:a])
	if a > 0 && s[0]%p.batch == 0 {
		outer /= p.batch
	}
	if inner > 1 { // strided: the runtime transposes to the last axis and back
		return lut.NewOp("softmax", prec, map[string]string{"axis": "inner"}, map[string]int{"b": max(1, outer), "m": s[a], "n": inner}), ""
	}
	return lut.NewOp("softmax", prec, nil, map[string]int{"m": max(1, outer), "n": s[a]}), ""
}

func (p *pricer) norm(n *node, kind string, def int) (lut.Op, string) {
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	s := n.in[0].shape
	a, ok := axis(n.int("axis", def), len(s))
	if !ok || elements(s) < 1 {
		return lut.Op{}, "its axis is not one of its input"
	}
	dim := elements(s[a:])
	seq := elements(s) / dim
	if a > 0 && s[0]%p.batch == 0 {
		seq /= p.batch
	}
	return lut.NewOp(kind, prec, nil, map[string]int{"seq": max(1, seq), "dim": dim}), ""
}

func (p *pricer) layerNorm(n *node) (lut.Op, string) {
	op, why := p.norm(n, "layernorm", -1)
	if why == "" && (n.skip || n.op == "com.microsoft:SkipLayerNormalization") {
		op.Attrs = []lut.Attr{{Name: "skip", Value: "1"}}
	}
	return op, why
}

func (p *pricer) rmsNorm(n *node) (lut.Op, string) { return p.norm(n, "rmsnorm", -1) }

// channelwise is an operator with numbers for every channel of a map.
func channelwise(kind string) func(*pricer, *node) (lut.Op, string) {
	return func(p *pricer, n *node) (lut.Op, string) {
		if kind == "batchnorm" {
			p.blocked[n.out[0]] = p.touchesBlocked(n)
		}
		if !p.isMap(n.out[0].shape) {
			prec, why := n.precision()
			if s := n.out[0].shape; why == "" && len(s) >= 2 && elements(s) > 0 {
				return lut.NewOp(kind, prec, nil, map[string]int{"c": s[1], "h": 1, "w": max(1, elements(s)/s[1]/max(1, s[0]))}), ""
			}
			return lut.Op{}, "not a map"
		}
		prec, why := n.precision()
		if why != "" {
			return lut.Op{}, why
		}
		s := n.out[0].shape
		return lut.NewOp(kind, prec, nil, map[string]int{"c": s[1], "h": s[2], "w": s[3]}), ""
	}
}

func (p *pricer) concat(n *node) (lut.Op, string) {
	parts := len(n.in)
	if strings.Contains(n.op, "QLinear") {
		parts = (len(n.in) - 2) / 3
	}
	op, why := p.joined(n, "concat", n.out[0], n.int("axis", 1), parts)
	if why != "" || op.Precision != lut.INT8 {
		return op, why
	}
	// Parts whose scale is not the result's the runtime looks up in a table, element by
	// element; the others it copies: two kernels, each of its share of the width.
	share := n.rescaled()
	if share == 0 {
		return op, ""
	}
	name := "c"
	width, ok := op.Coord(name)
	if !ok {
		name = "dim"
		width, _ = op.Coord(name)
	}
	part := min(width, max(1, int(share*float64(width)/float64(parts)+0.5))*parts)
	if rest := width - part; rest >= parts {
		copied := op.With(name, rest/parts*parts)
		p.also = &copied
	}
	op = op.With(name, part)
	op.Attrs = append(slices.Clone(op.Attrs), lut.Attr{Name: "rescale", Value: "1"}) // after n
	return op, ""
}

// rescaled is the share of a quantised Concat's elements whose scale is not the
// result's.
func (n *node) rescaled() float64 {
	differ, all := 0, 0
	count := func(v *value, same bool) {
		if v == nil || !v.known {
			return
		}
		all += elements(v.shape)
		if !same {
			differ += elements(v.shape)
		}
	}
	if strings.Contains(n.op, "QLinear") { // scale, zero point, then tensor, scale, zero point of each part
		y, ok := n.data(0)
		for i := 2; i+1 < len(n.in) && ok && len(y) == 1; i += 3 {
			x, ok := n.data(i + 1)
			count(n.in[i], !ok || len(x) != 1 || x[0] == y[0])
		}
	} else {
		for _, v := range n.in {
			count(v, v == nil || v.scale == 0 || n.out[0].scale == 0 || v.scale == n.out[0].scale)
		}
	}
	if all == 0 {
		return 0
	}
	return float64(differ) / float64(all)
}

func (p *pricer) split(n *node) (lut.Op, string) {
	if len(n.out) == 1 {
		p.free = FreeView
		return lut.Op{}, ""
	}
	op, why := p.joined(n, "split", n.in[0], n.splitAxis(), len(n.out))
	// Query, key and value cut from the front of a transposed tensor: the runtime cuts
	// the rows as they were and transposes the parts.
	if seq, _ := op.Coord("seq"); why == "" && seq == 1 && n.in[0].from != nil && n.in[0].from.op == "Transpose" && len(n.in[0].shape) > 2 {
		s := n.in[0].shape
		rows := s[len(s)-2]
		op = op.With("seq", rows).With("dim", elements(s)/rows)
	}
	return op, why
}

// joined is the key of a concat or split along an axis of whole: of a map's
// channels, or of rows.
func (p *pricer) joined(n *node, kind string, whole *value, ax, parts int) (lut.Op, string) {
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	s := whole.shape
	a, ok := axis(ax, len(s))
	if !ok || elements(s) < 1 || parts < 1 {
		return lut.Op{}, "its axis is not one of its input"
	}
	attrs := map[string]string{"n": strconv.Itoa(parts)}
	if p.last[whole] && len(s) == 4 {
		s, a = channelsFirst(s), []int{0, 2, 3, 1}[a]
	}
	if a == 1 && p.isMap(s) {
		if kind == "concat" {
			p.blocked[n.out[0]] = p.touchesBlocked(n)
		}
		return lut.NewOp(kind, prec, attrs, map[string]int{"c": s[1], "h": s[2], "w": s[3]}), ""
	}
	seq := elements(s[:a])
	if a > 0 && s[0]%p.batch == 0 {
		seq /= p.batch
	}
	return lut.NewOp(kind, prec, attrs, map[string]int{"seq": max(1, seq), "dim": elements(s[a:])}), ""
}

// blocks is a change between channels and blocks of pixels.
func blocks(kind string) func(*pricer, *node) (lut.Op, string) {
	return func(p *pricer, n *node) (lut.Op, string) {
		prec, why := n.precision()
		if why != "" {
			return lut.Op{}, why
		}
		s := n.in[0].shape
		if !p.isMap(s) || elements(s) < 1 || elements(n.out[0].shape) != elements(s) {
			return lut.Op{}, "not blocks of a map"
		}
		return lut.NewOp(kind, prec, map[string]string{"f": strconv.Itoa(n.int("blocksize", 0))}, map[string]int{"c": s[1], "h": s[2], "w": s[3]}), ""
	}
}

// copies is an operator that copies its output together, row by row.
func copies(kind string) func(*pricer, *node) (lut.Op, string) {
	return func(p *pricer, n *node) (lut.Op, string) {
		if slices.Equal(n.in[0].shape, n.out[0].shape) {
			p.free = FreeView // nothing is cut off or added: removed when the model is loaded
			return lut.Op{}, ""
		}
		return p.elementOp(n, kind, nil)
	}
}

func (p *pricer) gather(n *node) (lut.Op, string) {
	if idx := n.input(1); idx == nil || !idx.constant {
		return lut.Op{}, "its indices are computed"
	}
	return p.elementOp(n, "gather", nil)
}

// transpose is free when only dimensions of size 1 change places; else its key is
// that of the smallest transposition: neighbours that stay neighbours are one.
func (p *pricer) transpose(n *node) (lut.Op, string) {
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	order, shape := n.perm(), n.in[0].shape
	if q := n.in[0].from; slices.Equal(order, toLast) && q != nil && isQuantize(q) && only(n.in[0]) {
		p.free = FreeReorder // the quantisation's key has it
		p.last[n.out[0]], p.blocked[n.out[0]] = true, true
		return lut.Op{}, ""
	}
	if slices.Equal(order, toFirst) && p.last[n.in[0]] && dequantisedOnly(n.out[0]) {
		p.free = FreeReorder // the dequantisation's key has it
		p.blocked[n.out[0]] = true
		return lut.Op{}, ""
	}
	if parts := n.partsAfter(); !p.g.lowered && parts > 1 { // the key is one part's
		p.again = parts - 1
		cut := order[0]
		shape = slices.Delete(slices.Clone(shape), cut, cut+1)
		order = slices.Clone(order[1:])
		for i, v := range order {
			if v > cut {
				order[i]--
			}
		}
	}
	perm, dims := simplest(order, shape, p.batch)
	if len(perm) < 2 {
		p.free = FreeView
		return lut.Op{}, ""
	}
	if len(perm) > 6 {
		return lut.Op{}, fmt.Sprintf("a transposition of %d dimensions", len(perm))
	}
	text := make([]string, len(perm))
	at := map[string]int{}
	for i, v := range perm {
		text[i] = strconv.Itoa(v)
		at["d"+strconv.Itoa(i)] = dims[i]
	}
	return lut.NewOp("transpose", prec, map[string]string{"perm": strings.Join(text, "-")}, at), ""
}

func (n *node) splitAxis() int {
	if n.src == nil { // made of Slices
		return n.axis
	}
	return n.int("axis", 0)
}

// The transpositions between maps with the channels first and last.
var toLast, toFirst = []int{0, 2, 3, 1}, []int{0, 3, 1, 2}

func dequantisedOnly(v *value) bool {
	for _, user := range v.to {
		if !isDequantize(user) {
			return false
		}
	}
	return !v.output && len(v.to) > 0
}

// partsAfter is in how many parts a transposition's result is at once cut apart along
// its first axis, as query, key and value are; 1 when it is not. The runtime cuts
// the rows as they were and transposes the parts (its transpose optimiser).
func (n *node) partsAfter() int {
	if n.op != "Transpose" || n.int8 || !only(n.out[0]) {
		return 1
	}
	cut, s := n.out[0].to[0], n.out[0].shape
	if cut.op != "Split" || cut.int8 || cut.splitAxis() != 0 || len(s) < 3 || len(cut.out) != s[0] {
		return 1
	}
	return s[0]
}

// simplest drops dimensions of size 1 and joins those that stay side by side.
func simplest(perm, shape []int, batch int) ([]int, []int) {
	// Work on input dimensions in output order.
	var order []int
	for _, v := range perm {
		size := shape[v]
		if v == 0 && size == batch {
			size = 1 // the batch is the protocol's; it stays in front in any network of maps
		}
		if size != 1 {
			order = append(order, v)
		}
	}
	// Groups of input dimensions consecutive in both.
	kept := slices.Clone(order)
	slices.Sort(kept)
	rank := map[int]int{}
	for i, v := range kept {
		rank[v] = i
	}
	var groups [][]int // ranks
	for _, v := range order {
		r := rank[v]
		if k := len(groups); k > 0 && groups[k-1][len(groups[k-1])-1] == r-1 {
			groups[k-1] = append(groups[k-1], r)
			continue
		}
		groups = append(groups, []int{r})
	}
	sorted := slices.Clone(groups)
	slices.SortFunc(sorted, func(a, b []int) int { return a[0] - b[0] })
	out := make([]int, len(groups))
	dims := make([]int, len(groups))
	for i, gr := range groups {
		for j, s := range sorted {
			if s[0] == gr[0] {
				out[i] = j
			}
		}
	}
	for j, s := range sorted {
		dims[j] = 1
		for _, r := range s {
			dims[j] *= shape[kept[r]]
		}
	}
	return out, dims
}

func (p *pricer) resize(n *node) (lut.Op, string) {
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	in, out := n.in[0].shape, n.out[0].shape
	if len(in) == 4 && len(out) == 4 && in[1] != out[1] && in[3] == out[3] { // channels last
		in, out = channelsFirst(in), channelsFirst(out)
	}
	if len(in) != 4 || len(out) != 4 || in[0] != p.batch || out[1] != in[1] || elements(in) < 1 || elements(out) < 1 {
		return lut.Op{}, "not a map made larger or smaller"
	}
	mode := "nearest"
	if n.src != nil {
		mode = n.src.Str("mode", "nearest")
	}
	switch mode {
	case "nearest", "linear", "cubic":
	default:
		return lut.Op{}, fmt.Sprintf("interpolation %.20q", mode)
	}
	if slices.Equal(in, out) {
		p.free = FreeView
		return lut.Op{}, ""
	}
	attrs := map[string]string{"mode": mode}
	if f := out[2] / in[2]; out[2] == f*in[2] && out[3] == f*in[3] {
		attrs["f"] = strconv.Itoa(f)
	} else {
		attrs["size"] = pair(out[2:])
	}
	return lut.NewOp("resize", prec, attrs, map[string]int{"c": in[1], "h": in[2], "w": in[3]}), ""
}

// conversion is quantize or dequantize, whose keys are int8 whichever way.
func conversion(kind string) func(*pricer, *node) (lut.Op, string) {
	return func(p *pricer, n *node) (lut.Op, string) {
		mapped := p.isMap(n.out[0].shape) && (p.touchesBlocked(n) || kind == "quantize" && feedsConv(n.out[0]))
		p.blocked[n.out[0]] = mapped && kind == "quantize"
		at, why := p.at(n.out[0], mapped)
		if why != "" {
			return lut.Op{}, why
		}
		return lut.NewOp(kind, lut.INT8, nil, at), ""
	}
}

func feedsConv(v *value) bool {
	for _, n := range v.to {
		if strings.HasSuffix(n.op, "Conv") || n.op == "Transpose" && only(v) && slices.Equal(n.perm(), toLast) {
			return true
		}
	}
	return false
}

func (p *pricer) reorder(n *node) (lut.Op, string) {
	p.free = FreeReorder
	p.blocked[n.out[0]] = strings.HasSuffix(n.op, "ReorderInput")
	return lut.Op{}, ""
}

func (p *pricer) cast(n *node) (lut.Op, string) {
	from, to := n.in[0].dtype, n.out[0].dtype
	if from == to {
		p.free = FreeView
		return lut.Op{}, ""
	}
	name := func(t onnx.DataType) string {
		switch t {
		case onnx.Float:
			return "fp32"
		case onnx.Float16:
			return "fp16"
		case onnx.BFloat16:
			return "bf16"
		}
		return ""
	}
	f, t := name(from), name(to)
	if f == "" || t == "" {
		return lut.Op{}, fmt.Sprintf("a cast of %v to %v", from, to)
	}
	at, why := p.at(n.out[0], true)
	if why != "" {
		return lut.Op{}, why
	}
	return lut.NewOp("switch", lut.Precision(t), map[string]string{"from": f, "to": t}, at), ""
}
