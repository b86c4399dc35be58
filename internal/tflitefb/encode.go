package tflitefb

import (
	"fmt"
	"math"

	flatbuffers "github.com/google/flatbuffers/go"
)

const (
	identifier    = "TFL3"
	schemaVersion = 3
	// dataAlignment is the alignment that schema.fbs prescribes for Buffer.data (force_align: 16).
	dataAlignment = 16
	maxFile       = 1<<31 - 1 // FlatBuffers offsets are 32-bit
)

// Encode writes the model, and behind it further ones of the same file, each a subgraph
// with a signature of its own. Equal models give equal bytes. It fails on an index out of
// range, an option the table does not have, or data of the wrong size.
func Encode(m *Model, more ...*Model) ([]byte, error) {
	size := 1024
	models, operators := append([]*Model{m}, more...), 0
	for _, m := range models {
		if err := m.check(); err != nil {
			return nil, fmt.Errorf("encode tflite model: %w", err)
		}
		for _, t := range m.Tensors {
			size += len(t.Data) + 256
		}
		operators += len(m.Operators)
	}
	if size > maxFile {
		return nil, fmt.Errorf("encode tflite model: %d bytes of weights do not fit a FlatBuffer of 2 GiB", size)
	}
	e := encoder{b: flatbuffers.NewBuilder(size + 256*operators)}
	return e.model(models), nil
}

// check lists the first thing that a reader would refuse.
func (m *Model) check() error {
	index := func(what string, list []int32, optional bool) error {
		for _, i := range list {
			if i < 0 && !(optional && i == -1) || int(i) >= len(m.Tensors) {
				return fmt.Errorf("%s: no tensor %d among %d", what, i, len(m.Tensors))
			}
		}
		return nil
	}
	for i, t := range m.Tensors {
		if t.Quant != nil && len(t.Quant.Scale) != len(t.Quant.Zero) {
			return fmt.Errorf("tensor %d %q: %d scales for %d zero points", i, t.Name, len(t.Quant.Scale), len(t.Quant.Zero))
		}
		if t.Dynamic != nil && len(t.Dynamic) != len(t.Shape) {
			return fmt.Errorf("tensor %d %q: dynamic shape of another rank", i, t.Name)
		}
		n := 1
		for _, d := range t.Shape {
			if d < 0 {
				return fmt.Errorf("tensor %d %q: dimension %d", i, t.Name, d)
			}
			n *= int(d)
		}
		if t.Data != nil && t.Type.Bits() > 0 && len(t.Data) != (n*t.Type.Bits()+7)/8 {
			return fmt.Errorf("tensor %d %q: %d bytes of data for %d elements of %d bits", i, t.Name, len(t.Data), n, t.Type.Bits())
		}
	}
	if err := index("model inputs", m.Inputs, false); err != nil {
		return err
	}
	if err := index("model outputs", m.Outputs, false); err != nil {
		return err
	}
	for i, op := range m.Operators {
		what := fmt.Sprintf("operator %d %s", i, op.Code)
		if err := index(what, op.Inputs, true); err != nil {
			return err
		}
		if err := index(what, op.Outputs, false); err != nil {
			return err
		}
		if op.Code < 0 || op.Code > maxOp {
			return fmt.Errorf("%s: no such built-in operator", what)
		}
		if (op.Code == Custom) != (op.Custom != "") {
			return fmt.Errorf("%s: a custom operator has a name and only it", what)
		}
		fields, ok := optionFields[op.Options.Type]
		if !ok && op.Options.Type != NoOptions {
			return fmt.Errorf("%s: options table %d is not written", what, op.Options.Type)
		}
		left := len(op.Options.Values)
		for _, f := range fields {
			v, ok := op.Options.Values[f.name]
			if !ok || f.kind == kindUnused {
				continue
			}
			left--
			if lo, hi := f.kind.bounds(); v < lo || v > hi || f.kind != kindFloat32 && v != math.Trunc(v) || v != v {
				return fmt.Errorf("%s: option %s is %v", what, f.name, v)
			}
		}
		if left > 0 {
			return fmt.Errorf("%s: an option among %v is not of table %d", what, op.Options.Values, op.Options.Type)
		}
	}
	return nil
}

func (k fieldKind) bounds() (lo, hi float64) {
	switch k {
	case kindInt8:
		return math.MinInt8, math.MaxInt8
	case kindInt32:
		return math.MinInt32, math.MaxInt32
	case kindBool:
		return 0, 1
	}
	return -math.MaxFloat32, math.MaxFloat32
}

type encoder struct{ b *flatbuffers.Builder }

type offset = flatbuffers.UOffsetT

// shared holds what the subgraphs of a file have in common.
type shared struct {
	buffers []offset
	codes   []code
	indexOf map[code]uint32 // into codes
}

// code is an entry of the file's list of operators.
type code struct {
	op      Op
	custom  string
	version int32
}

// parts are a subgraph's tensors and operators, written before the lists of them.
type parts struct{ tensors, operators []offset }

func (e encoder) model(models []*Model) []byte {
	b := e.b
	// Buffer 0 is empty by the schema's rule; every constant has its own after it.
	s := &shared{buffers: []offset{e.buffer(nil)}, indexOf: map[code]uint32{}}
	written := make([]parts, len(models))
	for i, m := range models {
		written[i] = e.parts(m, s)
	}
	codeOffsets := make([]offset, len(s.codes))
	for i, c := range s.codes {
		codeOffsets[i] = e.operatorCode(c.op, c.custom, c.version)
	}
	var subgraphs []offset
	for i, m := range models {
		subgraphs = append(subgraphs, e.subgraph(m, written[i]))
	}
	graphs := e.offsets(subgraphs)
	signatures := e.signatures(models)
	codeVector, bufferVector := e.offsets(codeOffsets), e.offsets(s.buffers)
	description := b.CreateString(models[0].Description)
	b.StartObject(8)
	b.PrependUint32Slot(0, schemaVersion, 0)
	b.PrependUOffsetTSlot(1, codeVector, 0)
	b.PrependUOffsetTSlot(2, graphs, 0)
	b.PrependUOffsetTSlot(3, description, 0)
	b.PrependUOffsetTSlot(4, bufferVector, 0)
	b.PrependUOffsetTSlot(7, signatures, 0)
	b.FinishWithFileIdentifier(b.EndObject(), []byte(identifier))
	return b.FinishedBytes()
}

func (e encoder) parts(m *Model, s *shared) parts {
	tensors := make([]offset, len(m.Tensors))
	for i, t := range m.Tensors {
		n := uint32(0)
		if t.Data != nil {
			n = uint32(len(s.buffers))
			s.buffers = append(s.buffers, e.buffer(t.Data))
		}
		tensors[i] = e.tensor(t, n)
	}
	ops := make([]offset, len(m.Operators))
	for i, op := range m.Operators {
		c := code{op.Code, op.Custom, op.Version}
		n, ok := s.indexOf[c]
		if !ok {
			n = uint32(len(s.codes))
			s.indexOf[c] = n
			s.codes = append(s.codes, c)
		}
		ops[i] = e.operator(op, n)
	}
	return parts{tensors, ops}
}

func (e encoder) subgraph(m *Model, p parts) offset {
	b := e.b
	tensors, operators := e.offsets(p.tensors), e.offsets(p.operators)
	in, out := e.int32s(m.Inputs), e.int32s(m.Outputs)
	name := b.CreateString("main")
	b.StartObject(6)
	b.PrependUOffsetTSlot(0, tensors, 0)
	b.PrependUOffsetTSlot(1, in, 0)
	b.PrependUOffsetTSlot(2, out, 0)
	b.PrependUOffsetTSlot(3, operators, 0)
	b.PrependUOffsetTSlot(4, name, 0)
	return b.EndObject()
}

// signatures lists those of all subgraphs that have one, 0 where none has.
func (e encoder) signatures(models []*Model) offset {
	var list []offset
	for i, m := range models {
		if m.Signature != "" {
			list = append(list, e.signature(m, i))
		}
	}
	if list == nil {
		return 0
	}
	return e.offsets(list)
}

func (e encoder) signature(m *Model, subgraph int) offset {
	b := e.b
	maps := func(list []int32, name func(i int) string) offset {
		var o []offset
		for i, t := range list {
			name := b.CreateString(name(i))
			b.StartObject(2)
			b.PrependUOffsetTSlot(0, name, 0)
			b.PrependUint32Slot(1, uint32(t), 0)
			o = append(o, b.EndObject())
		}
		return e.offsets(o)
	}
	in, out, key := maps(m.Inputs, m.InputName), maps(m.Outputs, m.OutputName), b.CreateString(m.Signature)
	b.StartObject(5)
	b.PrependUOffsetTSlot(0, in, 0)
	b.PrependUOffsetTSlot(1, out, 0)
	b.PrependUOffsetTSlot(2, key, 0)
	b.PrependUint32Slot(4, uint32(subgraph), 0)
	return b.EndObject()
}

func (e encoder) buffer(data []byte) offset {
	b := e.b
	var v offset
	if data != nil {
		b.Prep(dataAlignment, len(data)) // so that the elements start aligned
		v = b.CreateByteVector(data)
	}
	b.StartObject(1)
	b.PrependUOffsetTSlot(0, v, 0)
	return b.EndObject()
}

func (e encoder) tensor(t Tensor, buffer uint32) offset {
	b := e.b
	shape, name := e.int32s(t.Shape), b.CreateString(t.Name)
	var dynamic, quant offset
	if t.Dynamic != nil {
		dynamic = e.int32s(t.Dynamic)
	}
	if q := t.Quant; q != nil {
		b.StartVector(4, len(q.Scale), 4)
		for i := len(q.Scale) - 1; i >= 0; i-- {
			b.PrependFloat32(q.Scale[i])
		}
		scale := b.EndVector(len(q.Scale))
		b.StartVector(8, len(q.Zero), 8)
		for i := len(q.Zero) - 1; i >= 0; i-- {
			b.PrependInt64(q.Zero[i])
		}
		zero := b.EndVector(len(q.Zero))
		b.StartObject(7)
		b.PrependUOffsetTSlot(2, scale, 0)
		b.PrependUOffsetTSlot(3, zero, 0)
		b.PrependInt32Slot(6, q.Axis, 0)
		quant = b.EndObject()
	}
	b.StartObject(9)
	b.PrependUOffsetTSlot(0, shape, 0)
	b.PrependInt8Slot(1, int8(t.Type), 0)
	b.PrependUint32Slot(2, buffer, 0)
	b.PrependUOffsetTSlot(3, name, 0)
	b.PrependUOffsetTSlot(4, quant, 0)
	b.PrependUOffsetTSlot(7, dynamic, 0)
	b.PrependBoolSlot(8, true, false) // has_rank
	return b.EndObject()
}

func (e encoder) operatorCode(op Op, custom string, version int32) offset {
	b := e.b
	var name offset
	if custom != "" {
		name = b.CreateString(custom)
	}
	b.StartObject(4)
	b.PrependInt8Slot(0, int8(min(op, placeholderOp)), 0)
	b.PrependUOffsetTSlot(1, name, 0)
	b.PrependInt32Slot(2, version, 1)
	b.PrependInt32Slot(3, int32(op), 0)
	return b.EndObject()
}

func (e encoder) operator(op Operator, code uint32) offset {
	b := e.b
	in, out, options := e.int32s(op.Inputs), e.int32s(op.Outputs), e.options(op.Options)
	b.StartObject(5)
	b.PrependUint32Slot(0, code, 0)
	b.PrependUOffsetTSlot(1, in, 0)
	b.PrependUOffsetTSlot(2, out, 0)
	b.PrependByteSlot(3, byte(op.Options.Type), 0)
	b.PrependUOffsetTSlot(4, options, 0)
	return b.EndObject()
}

func (e encoder) options(o Options) offset {
	if o.Type == NoOptions {
		return 0
	}
	b := e.b
	var shape offset
	if o.NewShape != nil {
		shape = e.int32s(o.NewShape)
	}
	fields := optionFields[o.Type]
	b.StartObject(max(len(fields), 1))
	if shape != 0 {
		b.PrependUOffsetTSlot(0, shape, 0)
	}
	for slot, f := range fields {
		v := o.Value(f.name)
		switch f.kind {
		case kindInt8:
			b.PrependInt8Slot(slot, int8(v), int8(f.def))
		case kindInt32:
			b.PrependInt32Slot(slot, int32(v), int32(f.def))
		case kindBool:
			b.PrependBoolSlot(slot, v != 0, f.def != 0)
		case kindFloat32:
			b.PrependFloat32Slot(slot, float32(v), float32(f.def))
		}
	}
	return b.EndObject()
}

func (e encoder) int32s(v []int32) offset {
	e.b.StartVector(4, len(v), 4)
	for i := len(v) - 1; i >= 0; i-- {
		e.b.PrependInt32(v[i])
	}
	return e.b.EndVector(len(v))
}

func (e encoder) offsets(v []offset) offset {
	e.b.StartVector(4, len(v), 4)
	for i := len(v) - 1; i >= 0; i-- {
		e.b.PrependUOffsetT(v[i])
	}
	return e.b.EndVector(len(v))
}
