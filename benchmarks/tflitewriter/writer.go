// Package tflitewriter writes the catalogue's neutral graph as a .tflite model,
// the way TensorFlow's converter would have: channels last, activations fused,
// quantisation in the tensors' types.
//
// What it decides: N,C,H,W becomes N,H,W,C, and a transposition or reshape that is
// only that is left out; padding that is TensorFlow's SAME is written as such, any
// other as a PAD of its own; what TFLite has no operator for (normalisations, SiLU,
// hard sigmoid, the error function) is written as the operators it is made of.
//
// Precisions. Half-precision models equal what TensorFlow's converter makes of
// them: weights stored in float16 behind a DEQUANTIZE, activations in float32;
// running them in half precision is the session's choice (provider option fp16,
// GPU precision). Full-integer models have int8 activations per tensor and int8
// weights per channel, and operators without an integer form stand in floating point
// between a DEQUANTIZE and a QUANTIZE; the two forms with float activations are the hybrid
// operators (dynamic) and weights behind a DEQUANTIZE (weight only). There is no
// bfloat16.
package tflitewriter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/tflitemodule"
	"github.com/isocost/isocost/internal/half"
	"github.com/isocost/isocost/internal/tflitefb"
)

// ErrNoForm is wrapped when TensorFlow Lite has no form for a part of the graph:
// the case is unsupported there.
var ErrNoForm = errors.New("no TensorFlow Lite form")

// Write writes the graph. Equal graphs give equal bytes. Inputs and outputs keep
// their names; those of rank four are N,H,W,C in the file.
func Write(g *graph.Graph) ([]byte, error) {
	m, err := Model(g)
	if err != nil {
		return nil, err
	}
	return tflitefb.Encode(m)
}

// WriteClassic is Write for libraries of TensorFlow Lite's classic C API, which may
// be years older (2.9 on linux): a fully connected layer with a scale per channel is
// written as the 1×1 convolution it is, a transposed convolution's activation as an
// operator of its own, a convolution in groups as one for each.
func WriteClassic(g *graph.Graph) ([]byte, error) {
	m, err := model(g, true)
	if err != nil {
		return nil, err
	}
	return tflitefb.Encode(m)
}

// Model is Write before the encoding.
func Model(g *graph.Graph) (*tflitefb.Model, error) { return model(g, false) }

func model(g *graph.Graph, classic bool) (_ *tflitefb.Model, err error) {
	w := &Writer{classic: classic, m: &tflitefb.Model{Description: "isocost", Signature: "serving_default"},
		at: map[*graph.Value]placed{}, constants: map[string]int32{}, weights: map[*graph.Value]bool{}, floats: map[*graph.Value]*graph.Value{},
		modules: map[*tflitemodule.Module]map[int32]int32{}, handed: map[int32]bool{}, bypassed: map[int32]bool{}}
	at := "inputs"
	defer func() {
		switch r := recover().(type) {
		case nil:
		case refusal:
			err = fmt.Errorf("write tflite: %s: %w", at, r.error)
		default:
			panic(r)
		}
	}()
	for _, v := range g.Weights {
		w.weights[v] = true
	}
	for _, v := range g.Inputs {
		w.m.Inputs = append(w.m.Inputs, w.Activation(v, ChannelsLast(len(v.Shape))))
	}
	for i, n := range g.Nodes {
		w.rest, at = g.Nodes[i+1:], fmt.Sprintf("node %s (%s)", n.Name, n.Op)
		w.node(n)
	}
	for _, v := range g.Outputs {
		at = "output " + v.Name
		i := w.Get(v, ChannelsLast(len(v.Shape)))
		// An output of its own, even where the last node moved nothing.
		if slices.Contains(w.m.Inputs, i) || slices.Contains(w.m.Outputs, i) {
			j := w.Like(i, v.Name)
			w.ReshapeOp(i, j)
			i = j
		}
		w.m.Tensors[i].Name = v.Name
		w.m.Outputs = append(w.m.Outputs, i)
	}
	w.dropBypassed()
	return w.m, nil
}

// refusal says how the writer's methods give up: they panic with one, and model
// returns it as its error.
type refusal struct{ error }

// Fail gives up writing; inside a form alone.
func Fail(format string, args ...any) { panic(refusal{fmt.Errorf(format, args...)}) }

// Layout says in which order a tensor's axes stand in the file: file axis i holds
// the graph's axis layout[i].
type Layout []int

// RowMajor is the graph's own order.
func RowMajor(rank int) Layout {
	l := make(Layout, rank)
	for i := range l {
		l[i] = i
	}
	return l
}

// ChannelsLast moves axis 1 to the end; for ranks other than four it is the
// graph's own order.
func ChannelsLast(rank int) Layout {
	if rank != 4 {
		return RowMajor(rank)
	}
	return Layout{0, 2, 3, 1}
}

// Apply is a shape of the graph in the file.
func (l Layout) Apply(shape []int) []int32 {
	out := make([]int32, len(l))
	for i, a := range l {
		out[i] = int32(shape[a])
	}
	return out
}

// Axis says where the graph's axis stands in the file.
func (l Layout) Axis(a int) int { return slices.Index(l, a) }

// placed is a value in the file: its tensor, by layout.
type placed struct {
	layout Layout // the one it was produced in
	tensor int32
	other  map[string]int32 // transposed copies
}

// Writer writes one file; an operator's form calls its methods.
type Writer struct {
	classic   bool // for older libraries
	m         *tflitefb.Model
	at        map[*graph.Value]placed
	weights   map[*graph.Value]bool
	constants map[string]int32                         // by content
	floats    map[*graph.Value]*graph.Value            // int8 values, dequantised
	rest      []*graph.Node                            // nodes after the current one
	modules   map[*tflitemodule.Module]map[int32]int32 // constants of modules, by their tensors
	handed    map[int32]bool                           // float results of int8 modules
	bypassed  map[int32]bool                           // float tensors whose int8 source was read instead
}

// tensorType is the file's type of an activation.
func tensorType(v *graph.Value) tflitefb.TensorType {
	switch v.DType {
	case graph.Float32, graph.Float16:
		return tflitefb.Float32
	case graph.Int8:
		return tflitefb.Int8
	case graph.Uint8:
		return tflitefb.Uint8
	case graph.Int32:
		return tflitefb.Int32
	case graph.Int64:
		return tflitefb.Int64
	case graph.Bool:
		return tflitefb.Bool
	}
	Fail("%w: %s has an element type that TensorFlow Lite does not compute with", ErrNoForm, v.Name)
	panic("unreachable")
}

func fileQuant(v *graph.Value, axis int32) *tflitefb.Quant {
	if v.Quant == nil {
		return nil
	}
	q := &tflitefb.Quant{Scale: v.Quant.Scale, Zero: make([]int64, len(v.Quant.Zero)), Axis: axis}
	for i, z := range v.Quant.Zero {
		q.Zero[i] = int64(z)
	}
	return q
}

// Classic reports that the file is for an older library (WriteClassic).
func (w *Writer) Classic() bool { return w.classic }

// Node writes a node that another one is made of.
func (w *Writer) Node(n *graph.Node) { w.node(n) }

// Tensor is a tensor of the file by its index.
func (w *Writer) Tensor(i int32) *tflitefb.Tensor { return &w.m.Tensors[i] }

// Weight says that v, which the graph does not have, is a constant.
func (w *Writer) Weight(v *graph.Value) { w.weights[v] = true }

// Add appends a tensor and returns its index.
func (w *Writer) Add(t tflitefb.Tensor) int32 {
	w.m.Tensors = append(w.m.Tensors, t)
	return int32(len(w.m.Tensors) - 1)
}

// Like adds an activation of the same type, shape and scale as tensor i.
func (w *Writer) Like(i int32, name string) int32 {
	t := w.m.Tensors[i]
	t.Name, t.Data = name, nil
	return w.Add(t)
}

// Activation adds v's tensor in a layout and records where v is.
func (w *Writer) Activation(v *graph.Value, l Layout) int32 {
	i := w.Add(tflitefb.Tensor{Name: v.Name, Type: tensorType(v), Shape: l.Apply(v.Shape), Quant: fileQuant(v, 0)})
	w.at[v] = placed{layout: l, tensor: i}
	return i
}

// Alias says that v is tensor i, whose bytes already are v's in layout l.
func (w *Writer) Alias(v *graph.Value, i int32, l Layout) {
	if shape := l.Apply(v.Shape); !slices.Equal(w.m.Tensors[i].Shape, shape) {
		panic(fmt.Sprintf("tflitewriter: %s has shape %v, not %v", v.Name, w.m.Tensors[i].Shape, shape))
	}
	w.at[v] = placed{layout: l, tensor: i}
}

// Get is v's tensor in a layout, transposed where it is in another.
func (w *Writer) Get(v *graph.Value, l Layout) int32 {
	if w.weights[v] {
		return w.constant(v, l)
	}
	p, ok := w.at[v]
	if !ok {
		Fail("value %s is used before it is made", v.Name)
	}
	if slices.Equal(p.layout, l) {
		return p.tensor
	}
	key := fmt.Sprint(l)
	if i, ok := p.other[key]; ok {
		return i
	}
	perm := make([]int32, len(l))
	for i, a := range l {
		perm[i] = int32(p.layout.Axis(a))
	}
	t := w.m.Tensors[p.tensor]
	t.Name, t.Shape = v.Name+".t", l.Apply(v.Shape)
	i := w.Add(t)
	w.TransposeOp(p.tensor, i, perm)
	if p.other == nil {
		p.other = map[string]int32{}
	}
	p.other[key] = i
	w.at[v] = p
	return i
}

// Ends are the node's first input and output, each in a layout.
func (w *Writer) Ends(n *graph.Node, in, out Layout) (x, y int32) {
	return w.Get(n.In[0], in), w.Activation(n.Out[0], out)
}

// InPlace are the node's ends in the layout its input has, which is given as well.
func (w *Writer) InPlace(n *graph.Node) (x, y int32, l Layout) {
	l = w.LayoutOf(n.In[0])
	x, y = w.Ends(n, l, l)
	return x, y, l
}

// TransposeOp emits a TRANSPOSE, or a RESHAPE where only axes of length one move.
func (w *Writer) TransposeOp(in, out int32, perm []int32) {
	var order []int32
	for _, a := range perm {
		if w.m.Tensors[in].Shape[a] > 1 {
			order = append(order, a)
		}
	}
	if slices.IsSorted(order) {
		w.ReshapeOp(in, out)
		return
	}
	version := int32(1)
	if w.m.Tensors[in].Type == tflitefb.Int8 {
		version = 2
	}
	if len(perm) > 5 {
		version = 6 // ranks above five
	}
	w.Emit(tflitefb.Transpose, version, []int32{in, w.Int32s(perm...)}, []int32{out}, tflitefb.Options{Type: tflitefb.TransposeOptions})
}

// ShapedLike is like with a shape of its own.
func (w *Writer) ShapedLike(i int32, name string, shape ...int32) int32 {
	j := w.Like(i, name)
	w.m.Tensors[j].Shape = shape
	return j
}

// Emit adds an operator.
func (w *Writer) Emit(code tflitefb.Op, version int32, in, out []int32, options tflitefb.Options) {
	w.m.Operators = append(w.m.Operators, tflitefb.Operator{Code: code, Version: version, Inputs: in, Outputs: out, Options: options})
}

// Version is v for int8 operands and 1 otherwise.
func (w *Writer) Version(tensor, int8 int32) int32 {
	if w.m.Tensors[tensor].Type == tflitefb.Int8 {
		return int8
	}
	return 1
}

// Int32s is a constant list of numbers, shared by content.
func (w *Writer) Int32s(v ...int32) int32 {
	key := fmt.Sprint("i", v)
	if i, ok := w.constants[key]; ok {
		return i
	}
	i := w.Add(tflitefb.Tensor{Name: fmt.Sprintf("const.%d", len(w.constants)), Type: tflitefb.Int32, Shape: []int32{int32(len(v))}, Data: int32Bytes(v)})
	w.constants[key] = i
	return i
}

// Scalar is a constant number in the arithmetic of tensor like: float32, or int8
// with a scale that holds it exactly as 127 or 0.
func (w *Writer) Scalar(v float32, like int32) int32 {
	int8 := w.m.Tensors[like].Type == tflitefb.Int8
	key := fmt.Sprint("s", v, int8)
	if i, ok := w.constants[key]; ok {
		return i
	}
	t := tflitefb.Tensor{Name: fmt.Sprintf("const.%d", len(w.constants)), Type: tflitefb.Float32, Shape: []int32{}, Data: float32Bytes([]float32{v})}
	if int8 {
		scale := float32(math.Abs(float64(v))) / 127
		q := byte(127)
		if v < 0 {
			q = 0x81 // -127
		}
		if v == 0 {
			scale, q = 1, 0
		}
		t.Type, t.Data, t.Quant = tflitefb.Int8, []byte{q}, &tflitefb.Quant{Scale: []float32{scale}, Zero: []int64{0}}
	}
	i := w.Add(t)
	w.constants[key] = i
	return i
}

// Int32 is a constant integer that is not a list of one.
func (w *Writer) Int32(name string, v int32) int32 {
	return w.Add(tflitefb.Tensor{Name: name, Type: tflitefb.Int32, Shape: []int32{}, Data: int32Bytes([]int32{v})})
}

func int32Bytes(v []int32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	return b
}

func float32Bytes(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func float16Bytes(v []float32) []byte {
	b := make([]byte, 0, 2*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint16(b, half.FromFloat32(x))
	}
	return b
}
