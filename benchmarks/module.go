package benchmarks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxmodule"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

func init() {
	define(kind{
		// Its key says all that a table needs: who it is by content, its shapes, and its
		// width. What it computes stands in a file, which a Library holds.
		name: "module", block: true, doc: "a part of a network in an ONNX file of yours ([spaces of modules](formats/space.md))",
		attrs: []attribute{
			need(attribute{name: "id", doc: "the start of the hash of its files, of all widths and precisions", absent: "–", valid: isModuleID}),
			need(attribute{name: "name", doc: "what its space calls it, in small letters", absent: "–", valid: anything}),
			residual.named("res", "`1`: it ends in an addition of its input", "it does not"),
		},
		axesOf: func(a args) []string {
			return append(moduleAxes(a, moduleIn), append(moduleAxes(a, moduleOut), "width")...)
		},
		axesDoc: "of the input cin h w, or seq dim, or cin; of the output cout hout wout, or seqout dimout, or cout; width",
		in:      func(a args) Shape { return moduleShape(a, moduleIn) },
		out:     func(a args) Shape { return moduleShape(a, moduleOut) },
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			m, err := b.modules.Module(a.op)
			if err != nil {
				b.fail("%w", err)
				return x
			}
			return b.module(m, a, x)
		},
		floating: true, files: true,
		frame:    repeats,
		weights:  func(a args) (int, error) { return 0, noModule(a.op) },
		shortcut: hasResidual, grid: asInModel,
	})
}

// Axes of a module's input and output by rank: map, sequence, vector.
var (
	moduleIn  = [3][]string{{"cin", "h", "w"}, {"seq", "dim"}, {"cin"}}
	moduleOut = [3][]string{{"cout", "hout", "wout"}, {"seqout", "dimout"}, {"cout"}}
)

// moduleAxes are those of the forms that the key has.
func moduleAxes(a args, forms [3][]string) []string {
	for _, axes := range forms[:2] {
		if a.has(axes[1]) {
			return slices.Clone(axes)
		}
	}
	return slices.Clone(forms[2])
}

func moduleShape(a args, forms [3][]string) Shape {
	var s Shape
	for _, axis := range moduleAxes(a, forms) {
		s = append(s, a.axis(axis))
	}
	return s
}

// moduleIDLength is the number of hexadecimal digits of a module's identity: 48 bits.
const moduleIDLength = 12

func isModuleID(v string) bool {
	return len(v) == moduleIDLength && strings.Trim(v, "0123456789abcdef") == ""
}

// ModuleKey is the key of a module at a width; name and id are its family's.
func ModuleKey(name, id string, p lut.Precision, m *onnxmodule.Module, width int) lut.Op {
	attrs := map[string]string{"id": id, "name": strings.ToLower(name)}
	if m.Shortcut {
		attrs["res"] = "1"
	}
	at := map[string]int{"width": width}
	for _, side := range []struct {
		shape []int
		forms [3][]string
	}{{m.In, moduleIn}, {m.Out, moduleOut}} {
		for i, axis := range side.forms[3-len(side.shape)] {
			at[axis] = side.shape[i]
		}
	}
	return lut.NewOp("module", p, attrs, at)
}

// ModuleElement is the type of the tensors between modules of a precision: int8 modules
// quantise within.
func ModuleElement(p lut.Precision) onnx.DataType {
	switch floatType(p) {
	case graph.Float16:
		return onnx.Float16
	case graph.BFloat16:
		return onnx.BFloat16
	}
	return onnx.Float
}

// module adds a module as one node. Its constants are weights without elements: the file
// has them.
func (b *builder) module(m *onnxmodule.Module, a args, x *graph.Value) *graph.Value {
	lite := b.modules.TFLite(a.op)
	anyBatch, in, out := m.AnyBatch, quantOf(m.InGrid), quantOf(m.OutGrid)
	if b.litert && lite != nil {
		anyBatch, in, out = lite.AnyBatch, quantOfFile(lite.InGrid), quantOfFile(lite.OutGrid)
	}
	if !anyBatch && b.batch != 1 {
		b.fail("the module is of batch 1, the model of %d: export it with a dynamic batch", b.batch)
		return x
	}
	if x.DType == graph.Int8 && in != nil {
		b.regrid(x, in)
	}
	x = b.convert(x, floatType(b.prec), b.layer+".in")
	name := b.layer + "." + a.str("name")
	y := &graph.Value{Name: name, DType: floatType(b.prec), Shape: append([]int{b.batch}, moduleShape(a, moduleOut)...)}
	b.stats[y] = stat{0, 1} // as normalised as anything that frames follow
	if out != nil {
		b.grids[y] = out
	}
	tflite := tflitewriter.None("it has no .tflite form")
	if lite != nil {
		tflite = tflitewriter.By("the operators of its file", func(w *tflitewriter.Writer, n *graph.Node) { w.Module(lite, n) })
	}
	n := &graph.Node{Name: name, In: []*graph.Value{x}, Out: []*graph.Value{y}, Op: &operator{
		name: a.op.Kind,
		work: products(func(*graph.Node) int64 { return m.MACs * int64(b.batch) }),
		onnx: onnxwriter.Whole("the nodes of its file", func(w *onnxwriter.Writer, n *graph.Node) {
			w.Module(m, n.Name+"/", w.In(n.In[0]), n.Out[0].Name)
		}),
		tflite: tflite,
		tf:     tfgraph.None("a module is an ONNX file"),
	}}
	for _, t := range elementTypes {
		if count := m.Constants[t.onnx]; count > 0 {
			v := &graph.Value{Name: fmt.Sprintf("%s.%v", name, t.onnx), DType: t.graph, Shape: []int{int(count)}}
			b.constant(v)
			n.In = append(n.In, v)
		}
	}
	b.g.Nodes = append(b.g.Nodes, n)
	return y
}

func quantOf(g *onnxmodule.Grid) *graph.Quant {
	if g == nil {
		return nil
	}
	return perTensor(float64(g.Scale), g.Zero)
}

func quantOfFile(q *tflitefb.Quant) *graph.Quant {
	if q == nil {
		return nil
	}
	return perTensor(float64(q.Scale[0]), int32(q.Zero[0]))
}

// regrid gives an int8 value the grid that the module after it has inside, as networks
// do whose layers are quantised together: a runtime then removes the conversion between
// the two. A value that shares its grid with another keeps it.
func (b *builder) regrid(x *graph.Value, q *graph.Quant) {
	for _, n := range b.g.Nodes {
		for _, v := range append(append([]*graph.Value(nil), n.In...), n.Out...) {
			if v != x && v.Quant == x.Quant {
				return
			}
		}
	}
	x.Quant = q
}

// elementTypes are the types of constants that count.
var elementTypes = []struct {
	onnx  onnx.DataType
	graph graph.DType
}{
	{onnx.Float, graph.Float32}, {onnx.Float16, graph.Float16}, {onnx.BFloat16, graph.BFloat16}, {onnx.Int8, graph.Int8}, {onnx.Uint8, graph.Uint8},
	{onnx.Int32, graph.Int32}, {onnx.Int64, graph.Int64}, {onnx.Bool, graph.Bool},
}
