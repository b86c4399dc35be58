package onnx

// Encode writes the model. Equal models give equal bytes: fields go out in the
// order of their numbers.
func Encode(m *Model) []byte {
	var w writer
	w.int(1, m.IRVersion)
	w.str(2, m.ProducerName)
	w.str(3, m.ProducerVersion)
	w.str(4, m.Domain)
	w.int(5, m.ModelVersion)
	w.str(6, m.Doc)
	if m.Graph != nil {
		w.message(7, m.Graph.encode)
	}
	opsets(&w, 8, m.Opsets)
	entries(&w, 14, m.Metadata)
	for _, f := range m.Functions {
		w.message(25, f.encode)
	}
	return w.b
}

func opsets(w *writer, id int, s []Opset) {
	for _, o := range s {
		w.message(id, func(w *writer) {
			w.bytes(1, []byte(o.Domain)) // always there, as the onnx package writes it
			w.int(2, o.Version)
		})
	}
}

func entries(w *writer, id int, s []Entry) {
	for _, e := range s {
		w.message(id, func(w *writer) {
			w.str(1, e.Key)
			w.str(2, e.Value)
		})
	}
}

func (g *Graph) encode(w *writer) {
	for _, n := range g.Nodes {
		w.message(1, n.encode)
	}
	w.str(2, g.Name)
	for _, t := range g.Initializers {
		w.message(5, t.encode)
	}
	w.str(10, g.Doc)
	for _, v := range g.Inputs {
		w.message(11, v.encode)
	}
	for _, v := range g.Outputs {
		w.message(12, v.encode)
	}
	for _, v := range g.ValueInfos {
		w.message(13, v.encode)
	}
	for _, a := range g.Annotations {
		w.message(14, func(w *writer) {
			w.str(1, a.Tensor)
			entries(w, 2, a.Entries)
		})
	}
	for _, t := range g.Sparse {
		w.message(15, t.encode)
	}
	entries(w, 16, g.Metadata)
}

func (n *Node) encode(w *writer) {
	w.strs(1, n.Inputs)
	w.strs(2, n.Outputs)
	w.str(3, n.Name)
	w.str(4, n.Op)
	for _, a := range n.Attrs {
		w.message(5, a.encode)
	}
	w.str(6, n.Doc)
	w.str(7, n.Domain)
	w.str(8, n.Overload)
	entries(w, 9, n.Metadata)
}

func (a *Attr) encode(w *writer) {
	w.str(1, a.Name)
	if a.Type == AttrFloat && a.Ref == "" {
		w.floatAlways(2, a.F)
	}
	if a.Type == AttrInt && a.Ref == "" {
		w.intAlways(3, a.I)
	}
	if a.Type == AttrString && a.Ref == "" {
		w.bytes(4, a.S)
	}
	if a.T != nil {
		w.message(5, a.T.encode)
	}
	if a.G != nil {
		w.message(6, a.G.encode)
	}
	for _, f := range a.Floats { // proto2 style, as onnx.proto is: not packed
		w.floatAlways(7, f)
	}
	for _, i := range a.Ints {
		w.intAlways(8, i)
	}
	for _, s := range a.Strings {
		w.bytes(9, s)
	}
	for _, t := range a.Tensors {
		w.message(10, t.encode)
	}
	for _, g := range a.Graphs {
		w.message(11, g.encode)
	}
	w.str(13, a.Doc)
	for _, t := range a.Types {
		w.message(14+int(min(1, max(0, a.Type-AttrTypeProto))), t.encode)
	}
	w.int(20, int64(a.Type))
	w.str(21, a.Ref)
	for _, t := range a.Sparse {
		w.message(22+int(min(1, max(0, a.Type-AttrSparseTensor))), t.encode)
	}
}

func (t *Tensor) encode(w *writer) {
	for _, d := range t.Dims {
		w.intAlways(1, d)
	}
	w.int(2, int64(t.Type))
	w.floats(4, t.FloatData)
	w.ints(5, t.Int32Data)
	for _, s := range t.StringData {
		w.bytes(6, s)
	}
	w.ints(7, t.Int64Data)
	w.str(8, t.Name)
	if t.HasRaw {
		w.bytes(9, t.Raw)
	}
	w.doubles(10, t.DoubleData)
	w.ints(11, t.Uint64Data)
	w.str(12, t.Doc)
	entries(w, 13, t.External)
	if t.IsExternal {
		w.int(14, 1)
	}
}

func (t *SparseTensor) encode(w *writer) {
	if t.Values != nil {
		w.message(1, t.Values.encode)
	}
	if t.Indices != nil {
		w.message(2, t.Indices.encode)
	}
	for _, d := range t.Dims {
		w.intAlways(3, d)
	}
}

func (v *ValueInfo) encode(w *writer) {
	w.str(1, v.Name)
	if v.Type != nil {
		w.message(2, v.Type.encode)
	}
	w.str(3, v.Doc)
	entries(w, 4, v.Metadata)
}

func (t *Type) encode(w *writer) {
	if t.Other != nil {
		w.b = append(w.b, t.Other...)
	} else {
		w.message(1, func(w *writer) {
			w.int(1, int64(t.Elem))
			if t.HasShape {
				w.message(2, func(w *writer) {
					for _, d := range t.Shape {
						w.message(1, d.encode)
					}
				})
			}
		})
	}
	w.str(6, t.Denotation)
}

func (d Dim) encode(w *writer) {
	if d.Known {
		w.intAlways(1, d.Value)
	}
	w.str(2, d.Param)
	w.str(3, d.Denotation)
}

func (f *Function) encode(w *writer) {
	w.str(1, f.Name)
	w.strs(4, f.Inputs)
	w.strs(5, f.Outputs)
	w.strs(6, f.Params)
	for _, n := range f.Nodes {
		w.message(7, n.encode)
	}
	w.str(8, f.Doc)
	opsets(w, 9, f.Opsets)
	w.str(10, f.Domain)
	for _, a := range f.Defaults {
		w.message(11, a.encode)
	}
	for _, v := range f.Values {
		w.message(12, v.encode)
	}
	w.str(13, f.Overload)
	entries(w, 14, f.Metadata)
}
