package onnx

import (
	"errors"
	"fmt"
)

// Decode reads a model. Byte fields (raw tensor data, strings in attributes)
// alias data. An error says in which part of the file it lies; memory stays
// within a small multiple of len(data) whatever the bytes are.
func Decode(data []byte) (*Model, error) {
	if len(data) == 0 {
		return nil, errors.New("decode onnx: the file is empty")
	}
	m := &Model{}
	r := &reader{data, &budget{messages: maxMessages}}
	for !r.done() {
		f, err := r.next()
		if err == nil {
			err = m.field(r, f)
		}
		if err != nil {
			return nil, fmt.Errorf("decode onnx: byte %d: %w", len(data)-len(r.b), err)
		}
	}
	if m.Graph == nil && len(m.Functions) == 0 {
		return nil, errors.New("decode onnx: the file holds no graph: not an ONNX model")
	}
	return m, nil
}

func (m *Model) field(r *reader, f field) error {
	switch f.id {
	case 1:
		return f.int(&m.IRVersion)
	case 2:
		return f.str(&m.ProducerName)
	case 3:
		return f.str(&m.ProducerVersion)
	case 4:
		return f.str(&m.Domain)
	case 5:
		return f.int(&m.ModelVersion)
	case 6:
		return f.str(&m.Doc)
	case 7:
		if m.Graph == nil { // a field given twice merges, as protobuf does
			m.Graph = &Graph{}
		}
		return r.message(f, m.Graph.field)
	case 8:
		return add(r, f, &m.Opsets, (*Opset).field)
	case 14:
		return add(r, f, &m.Metadata, (*Entry).field)
	case 25:
		return addPtr(r, f, &m.Functions, (*Function).field)
	}
	return nil
}

func add[T any](r *reader, f field, to *[]T, on func(*T, *reader, field) error) error {
	var v T
	err := r.message(f, func(r *reader, f field) error { return on(&v, r, f) })
	*to = append(*to, v)
	return err
}

func addPtr[T any](r *reader, f field, to *[]*T, on func(*T, *reader, field) error) error {
	v, err := one(r, f, on)
	*to = append(*to, v)
	return err
}

func one[T any](r *reader, f field, on func(*T, *reader, field) error) (*T, error) {
	v := new(T)
	return v, r.message(f, func(r *reader, f field) error { return on(v, r, f) })
}

func (o *Opset) field(_ *reader, f field) error {
	switch f.id {
	case 1:
		return f.str(&o.Domain)
	case 2:
		return f.int(&o.Version)
	}
	return nil
}

func (e *Entry) field(_ *reader, f field) error {
	switch f.id {
	case 1:
		return f.str(&e.Key)
	case 2:
		return f.str(&e.Value)
	}
	return nil
}

func (g *Graph) field(r *reader, f field) error {
	switch f.id {
	case 1:
		return named(addPtr(r, f, &g.Nodes, (*Node).field), "node", len(g.Nodes)-1)
	case 2:
		return f.str(&g.Name)
	case 5:
		return named(addPtr(r, f, &g.Initializers, (*Tensor).field), "initializer", len(g.Initializers)-1)
	case 10:
		return f.str(&g.Doc)
	case 11:
		return named(addPtr(r, f, &g.Inputs, (*ValueInfo).field), "input", len(g.Inputs)-1)
	case 12:
		return named(addPtr(r, f, &g.Outputs, (*ValueInfo).field), "output", len(g.Outputs)-1)
	case 13:
		return named(addPtr(r, f, &g.ValueInfos, (*ValueInfo).field), "value_info", len(g.ValueInfos)-1)
	case 14:
		return add(r, f, &g.Annotations, (*Annotation).field)
	case 15:
		return addPtr(r, f, &g.Sparse, (*SparseTensor).field)
	case 16:
		return add(r, f, &g.Metadata, (*Entry).field)
	}
	return nil
}

func named(err error, what string, i int) error {
	if err != nil {
		return fmt.Errorf("%s %d: %w", what, i, err)
	}
	return nil
}

func (n *Node) field(r *reader, f field) error {
	switch f.id {
	case 1:
		return f.strs(&n.Inputs)
	case 2:
		return f.strs(&n.Outputs)
	case 3:
		return f.str(&n.Name)
	case 4:
		return f.str(&n.Op)
	case 5:
		return addPtr(r, f, &n.Attrs, (*Attr).field)
	case 6:
		return f.str(&n.Doc)
	case 7:
		return f.str(&n.Domain)
	case 8:
		return f.str(&n.Overload)
	case 9:
		return add(r, f, &n.Metadata, (*Entry).field)
	}
	return nil
}

func (a *Attr) field(r *reader, f field) (err error) {
	// Files of IR version 1 leave the type out: the value's field implies it, and
	// the type field, when there, has the last word.
	imply := func(t AttrType) {
		if a.Type == 0 {
			a.Type = t
		}
	}
	switch f.id {
	case 1:
		return f.str(&a.Name)
	case 2:
		var v []float32
		if err = f.want(wireFixed32); err == nil {
			err = f.floats(&v)
			a.F = v[0]
		}
		imply(AttrFloat)
	case 3:
		err = f.int(&a.I)
		imply(AttrInt)
	case 4:
		a.S, err = f.bytes, f.want(wireBytes)
		imply(AttrString)
	case 5:
		a.T, err = one(r, f, (*Tensor).field)
		imply(AttrTensor)
	case 6:
		a.G, err = one(r, f, (*Graph).field)
		imply(AttrGraph)
	case 7:
		err = f.floats(&a.Floats)
		imply(AttrFloats)
	case 8:
		err = f.ints(&a.Ints)
		imply(AttrInts)
	case 9:
		a.Strings, err = append(a.Strings, f.bytes), f.want(wireBytes)
		imply(AttrStrings)
	case 10:
		err = addPtr(r, f, &a.Tensors, (*Tensor).field)
		imply(AttrTensors)
	case 11:
		err = addPtr(r, f, &a.Graphs, (*Graph).field)
		imply(AttrGraphs)
	case 13:
		return f.str(&a.Doc)
	case 14, 15:
		err = addPtr(r, f, &a.Types, (*Type).field)
		imply(AttrTypeProto + AttrType(f.id-14))
	case 20:
		return f.int((*int64)(&a.Type))
	case 21:
		return f.str(&a.Ref)
	case 22, 23:
		err = addPtr(r, f, &a.Sparse, (*SparseTensor).field)
		imply(AttrSparseTensor + AttrType(f.id-22))
	}
	return err
}

func (t *Tensor) field(r *reader, f field) error {
	switch f.id {
	case 1:
		return f.ints(&t.Dims)
	case 2:
		return f.int((*int64)(&t.Type))
	case 4:
		return f.floats(&t.FloatData)
	case 5:
		return f.ints(&t.Int32Data)
	case 6:
		t.StringData = append(t.StringData, f.bytes)
		return f.want(wireBytes)
	case 7:
		return f.ints(&t.Int64Data)
	case 8:
		return f.str(&t.Name)
	case 9:
		t.Raw, t.HasRaw = f.bytes, true
		return f.want(wireBytes)
	case 10:
		return f.doubles(&t.DoubleData)
	case 11:
		return f.ints(&t.Uint64Data)
	case 12:
		return f.str(&t.Doc)
	case 13:
		return add(r, f, &t.External, (*Entry).field)
	case 14:
		var v int64
		err := f.int(&v)
		t.IsExternal = v == 1
		return err
	}
	return nil
}

func (t *SparseTensor) field(r *reader, f field) (err error) {
	switch f.id {
	case 1:
		t.Values, err = one(r, f, (*Tensor).field)
	case 2:
		t.Indices, err = one(r, f, (*Tensor).field)
	case 3:
		err = f.ints(&t.Dims)
	}
	return err
}

func (v *ValueInfo) field(r *reader, f field) (err error) {
	switch f.id {
	case 1:
		return f.str(&v.Name)
	case 2:
		v.Type, err = one(r, f, (*Type).field)
	case 3:
		return f.str(&v.Doc)
	case 4:
		return add(r, f, &v.Metadata, (*Entry).field)
	}
	return err
}

func (t *Type) field(r *reader, f field) error {
	switch f.id {
	case 1:
		return r.message(f, func(r *reader, f field) error {
			switch f.id {
			case 1:
				return f.int((*int64)(&t.Elem))
			case 2:
				t.HasShape = true
				return r.message(f, func(r *reader, f field) error {
					if f.id != 1 {
						return nil
					}
					return add(r, f, &t.Shape, (*Dim).field)
				})
			}
			return nil
		})
	case 6:
		return f.str(&t.Denotation)
	case 4, 5, 7, 8, 9: // sequence, map, opaque, sparse, optional: kept as they are
		if err := f.want(wireBytes); err != nil {
			return err
		}
		var w writer
		w.bytes(f.id, f.bytes)
		t.Other = w.b
	}
	return nil
}

func (d *Dim) field(_ *reader, f field) error {
	switch f.id {
	case 1:
		d.Known = true
		return f.int(&d.Value)
	case 2:
		return f.str(&d.Param)
	case 3:
		return f.str(&d.Denotation)
	}
	return nil
}

func (a *Annotation) field(r *reader, f field) error {
	switch f.id {
	case 1:
		return f.str(&a.Tensor)
	case 2:
		return add(r, f, &a.Entries, (*Entry).field)
	}
	return nil
}

func (fn *Function) field(r *reader, f field) error {
	switch f.id {
	case 1:
		return f.str(&fn.Name)
	case 4:
		return f.strs(&fn.Inputs)
	case 5:
		return f.strs(&fn.Outputs)
	case 6:
		return f.strs(&fn.Params)
	case 7:
		return named(addPtr(r, f, &fn.Nodes, (*Node).field), "node", len(fn.Nodes)-1)
	case 8:
		return f.str(&fn.Doc)
	case 9:
		return add(r, f, &fn.Opsets, (*Opset).field)
	case 10:
		return f.str(&fn.Domain)
	case 11:
		return addPtr(r, f, &fn.Defaults, (*Attr).field)
	case 12:
		return addPtr(r, f, &fn.Values, (*ValueInfo).field)
	case 13:
		return f.str(&fn.Overload)
	case 14:
		return add(r, f, &fn.Metadata, (*Entry).field)
	}
	return nil
}
