package tflitefb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrFormat is wrapped by every error of Decode.
var ErrFormat = errors.New("not a valid .tflite model")

// ErrNoSignature is wrapped by the error of DecodeSignature for a key that the file does
// not have.
var ErrNoSignature = errors.New("the file has no such signature")

// Decode reads a .tflite file as a runtime enters it where nobody says otherwise: by its
// first signature, or the first subgraph where it has none. See DecodeSignature.
func Decode(file []byte) (*Model, error) { return DecodeSignature(file, "") }

// DecodeSignature reads the subgraph of the signature with a key, "" for the first. Every
// offset is checked
// against the file, every index against its list; what it does not understand in
// operators (options of a table not listed in this package) is kept by type only.
// Constants' Data alias the input.
func DecodeSignature(file []byte, key string) (m *Model, err error) {
	defer func() {
		if r := recover(); r != nil {
			bad, ok := r.(badFormat)
			if !ok {
				panic(r)
			}
			m, err = nil, fmt.Errorf("%w: %s", ErrFormat, string(bad))
		}
	}()
	d := &decoder{file: file, budget: 64*len(file) + 1024}
	if len(file) < 8 || len(file) > maxFile {
		fail("%d bytes", len(file))
	}
	if id := string(file[4:8]); id != identifier {
		fail("file identifier %q, want %q", id, identifier)
	}
	if m, err = d.model(d.table(0), key); err != nil {
		return nil, err
	}
	if err := m.check(); err != nil {
		fail("%v", err)
	}
	return m, nil
}

// badFormat travels from a failed read to Decode, and no further.
type badFormat string

func fail(format string, args ...any) { panic(badFormat(fmt.Sprintf(format, args...))) }

// decoder is the file; all its methods check bounds.
type decoder struct {
	file []byte
	// budget says how many more bytes of lists may be read. A hostile file can point
	// thousands of tables at one long list; a real one reads hardly any byte twice.
	budget int
}

func (d *decoder) at(pos, n int) []byte {
	if pos < 0 || n < 0 || pos > len(d.file)-n {
		fail("%d bytes at offset %d of a file of %d", n, pos, len(d.file))
	}
	return d.file[pos : pos+n]
}

func (d *decoder) u16(pos int) int { return int(binary.LittleEndian.Uint16(d.at(pos, 2))) }
func (d *decoder) u32(pos int) int { return int(binary.LittleEndian.Uint32(d.at(pos, 4))) }

// table is one FlatBuffer table: the file, its own position and its vtable's.
type table struct {
	d           *decoder
	pos         int
	vtable, len int
}

// table follows the offset stored at pos.
func (d *decoder) table(pos int) table {
	t := table{d: d, pos: pos + d.u32(pos)}
	t.vtable = t.pos - int(int32(d.u32(t.pos)))
	t.len = d.u16(t.vtable)
	d.at(t.vtable, t.len)
	return t
}

// field returns the position of a slot, 0 when it is left out.
func (t table) field(slot int) int {
	at := 4 + 2*slot
	if at+2 > t.len {
		return 0
	}
	if o := t.d.u16(t.vtable + at); o != 0 {
		return t.pos + o
	}
	return 0
}

func (t table) uint32(slot int) int {
	if p := t.field(slot); p != 0 {
		return t.d.u32(p)
	}
	return 0
}

func (t table) int32(slot int, def int32) int32 {
	if p := t.field(slot); p != 0 {
		return int32(t.d.u32(p))
	}
	return def
}

func (t table) byte(slot int, def byte) byte {
	if p := t.field(slot); p != 0 {
		return t.d.at(p, 1)[0]
	}
	return def
}

// vector returns the position of the first element and the count, checked to lie
// in the file.
func (t table) vector(slot, elem int) (pos, n int) {
	p := t.field(slot)
	if p == 0 {
		return 0, 0
	}
	p += t.d.u32(p)
	n = t.d.u32(p)
	if n > len(t.d.file)/elem {
		fail("a list of %d elements in a file of %d bytes", n, len(t.d.file))
	}
	if t.d.budget -= n * elem; t.d.budget < 0 {
		fail("its lists overlap without end")
	}
	t.d.at(p+4, n*elem)
	return p + 4, n
}

func (t table) bytes(slot int) []byte {
	p, n := t.vector(slot, 1)
	if p == 0 {
		return nil
	}
	return t.d.file[p : p+n : p+n]
}

func (t table) string(slot int) string { return string(t.bytes(slot)) }

func (t table) int32s(slot int) []int32 {
	p, n := t.vector(slot, 4)
	if p == 0 {
		return nil
	}
	v := make([]int32, n)
	for i := range v {
		v[i] = int32(t.d.u32(p + 4*i))
	}
	return v
}

func (t table) tables(slot int) []table {
	p, n := t.vector(slot, 4)
	v := make([]table, n)
	for i := range v {
		v[i] = t.d.table(p + 4*i)
	}
	return v
}

// signature is one of a file's signatures: what its inputs and outputs are called, by the
// tensor.
type signature struct {
	key      string
	subgraph int
	in, out  map[int32]string
}

func (t table) signature() signature {
	names := func(slot int) map[int32]string {
		out := map[int32]string{}
		for _, m := range t.tables(slot) {
			out[int32(m.uint32(1))] = m.string(0)
		}
		return out
	}
	return signature{key: t.string(2), subgraph: t.uint32(4), in: names(0), out: names(1)}
}

// enter gives the model the signature with a key and returns its subgraph.
func (d *decoder) enter(m *Model, root table, key string) (s signature, err error) {
	all := root.tables(7)
	found := -1
	for i, t := range all {
		sig := t.signature()
		if len(all) > 1 {
			m.Signatures = append(m.Signatures, sig.key)
		}
		if found < 0 && (key == "" || sig.key == key) {
			found, s = i, sig
		}
	}
	if found < 0 && key != "" {
		return s, fmt.Errorf("%w: %q", ErrNoSignature, key)
	}
	m.Signature, m.Subgraph = s.key, s.subgraph
	return s, nil
}

// names returns a signature's names of the tensors of a list; nil where they equal the
// tensors' own, or where it does not name every one.
func (m *Model) names(list []int32, by map[int32]string) []string {
	names, own := make([]string, len(list)), true
	for i, t := range list {
		name, ok := by[t]
		if !ok || t < 0 || int(t) >= len(m.Tensors) { // the latter check refuses
			return nil
		}
		names[i] = name
		own = own && name == m.Tensors[t].Name
	}
	if own {
		return nil
	}
	return names
}

func (d *decoder) model(root table, key string) (*Model, error) {
	if v := root.uint32(0); v != schemaVersion {
		fail("schema version %d, want %d", v, schemaVersion)
	}
	m := &Model{Description: root.string(3)}
	graphs := root.tables(2)
	if len(graphs) == 0 {
		fail("no subgraph")
	}
	entry, err := d.enter(m, root, key)
	if err != nil {
		return nil, err
	}
	if entry.subgraph >= len(graphs) {
		fail("signature %q: no subgraph %d among %d", entry.key, entry.subgraph, len(graphs))
	}
	g := graphs[entry.subgraph]
	buffers := root.tables(4)
	for i, t := range g.tables(0) {
		n := t.uint32(2)
		if n >= max(len(buffers), 1) {
			fail("tensor %d: no buffer %d among %d", i, n, len(buffers))
		}
		var data []byte
		if n > 0 {
			if b := buffers[n]; b.field(1) != 0 && b.uint64(1) > 1 {
				// Written for models over 2 GiB: the weights follow the FlatBuffer.
				at, size := b.uint64(1), b.uint64(2)
				if at > uint64(len(d.file)) || size > uint64(len(d.file)) {
					fail("buffer %d: %d bytes at offset %d of a file of %d", n, size, at, len(d.file))
				}
				data = d.at(int(at), int(size))
			} else {
				data = b.bytes(0)
			}
		}
		m.Tensors = append(m.Tensors, t.tensor(data))
		if what := t.beyondTensor(); what != "" {
			m.Unkept = append(m.Unkept, fmt.Sprintf("tensor %d %.80q %s", i, m.Tensors[i].Name, what))
		}
	}
	m.Inputs, m.Outputs = g.int32s(1), g.int32s(2)
	codes := root.tables(1)
	for i, t := range g.tables(3) {
		n := t.uint32(0)
		if n >= len(codes) {
			fail("operator %d: no operator code %d among %d", i, n, len(codes))
		}
		m.Operators = append(m.Operators, t.operator(codes[n]))
		if what := t.beyondOperator(); what != "" {
			m.Unkept = append(m.Unkept, fmt.Sprintf("operator %d %v has %s", i, m.Operators[i].Code, what))
		}
	}
	m.InputNames, m.OutputNames = m.names(m.Inputs, entry.in), m.names(m.Outputs, entry.out)
	return m, nil
}

func (t table) uint64(slot int) uint64 {
	if p := t.field(slot); p != 0 {
		return binary.LittleEndian.Uint64(t.d.at(p, 8))
	}
	return 0
}

func (t table) tensor(data []byte) Tensor {
	v := Tensor{Name: t.string(3), Type: TensorType(t.byte(1, 0)), Shape: t.int32s(0), Dynamic: t.int32s(7)}
	if len(data) > 0 {
		v.Data = data
	}
	if p := t.field(4); p != 0 {
		q := t.d.table(p)
		sp, sn := q.vector(2, 4)
		zp, zn := q.vector(3, 8)
		if sn > 0 {
			quant := &Quant{Axis: q.int32(6, 0), Scale: make([]float32, sn), Zero: make([]int64, zn)}
			for i := range quant.Scale {
				s := math.Float32frombits(uint32(t.d.u32(sp + 4*i)))
				if s != s || math.IsInf(float64(s), 0) {
					fail("tensor %q: scale %v", v.Name, s)
				}
				quant.Scale[i] = s
			}
			for i := range quant.Zero {
				quant.Zero[i] = int64(binary.LittleEndian.Uint64(t.d.at(zp+8*i, 8)))
			}
			v.Quant = quant
		}
	}
	return v
}

func (t table) operator(code table) Operator {
	op := Operator{Version: code.int32(2, 1), Inputs: t.int32s(1), Outputs: t.int32s(2)}
	// Old writers fill only the one-byte field, new ones both.
	op.Code = Op(max(code.int32(3, 0), int32(int8(code.byte(0, 0)))))
	if op.Code == Custom {
		op.Custom = code.string(1)
	}
	op.Options.Type = OptionsType(t.byte(3, 0))
	fields, known := optionFields[op.Options.Type]
	if !known {
		op.Options.Type = NoOptions
		return op
	}
	p := t.field(4)
	if p == 0 {
		return op
	}
	o := t.d.table(p)
	if op.Options.Type == ReshapeOptions || op.Options.Type == SqueezeOptions {
		op.Options.NewShape = o.int32s(0)
	}
	for slot, f := range fields {
		if f.kind == kindUnused || o.field(slot) == 0 {
			continue
		}
		if op.Options.Values == nil {
			op.Options.Values = map[string]float64{}
		}
		switch at := o.field(slot); f.kind {
		case kindInt8:
			op.Options.Values[f.name] = float64(int8(t.d.at(at, 1)[0]))
		case kindBool:
			op.Options.Values[f.name] = float64(min(t.d.at(at, 1)[0], 1))
		case kindInt32:
			op.Options.Values[f.name] = float64(int32(t.d.u32(at)))
		case kindFloat32:
			op.Options.Values[f.name] = float64(math.Float32frombits(uint32(t.d.u32(at))))
		}
	}
	return op
}

// has reports that a vector or string of the slot has elements.
func (t table) has(slot int) bool {
	_, n := t.vector(slot, 1)
	return n > 0
}

// beyondTensor says what the table holds besides what Tensor does.
func (t table) beyondTensor() string {
	switch {
	case t.byte(5, 0) != 0:
		return "keeps its elements from one inference to the next"
	case t.field(6) != 0:
		return "is sparse"
	case t.has(9):
		return "is of a variant type"
	}
	if p := t.field(4); p != 0 && t.d.table(p).byte(4, 0) != 0 {
		return "is quantised in a way of its own"
	}
	return ""
}

// beyondOperator says what the table holds besides what Operator does. A table of options
// without a field says no more than that it is there.
func (t table) beyondOperator() string {
	switch {
	case t.has(5) || t.field(9) != 0:
		return "custom options"
	case t.has(7) || t.has(8):
		return "tensors of its own"
	case t.field(12) != 0 && t.d.table(t.field(12)).len > 4:
		return fmt.Sprintf("options of the second kind, %d", t.byte(11, 0))
	}
	p := t.field(4)
	if p == 0 {
		return ""
	}
	kind := OptionsType(t.byte(3, 0))
	o, fields := t.d.table(p), optionFields[kind]
	for slot := range (o.len - 4) / 2 {
		if o.field(slot) == 0 || slot < len(fields) && fields[slot].kind != kindUnused || slot == 0 && (kind == ReshapeOptions || kind == SqueezeOptions) {
			continue
		}
		return fmt.Sprintf("options (table %d, field %d) that are not known here", kind, slot)
	}
	return ""
}
