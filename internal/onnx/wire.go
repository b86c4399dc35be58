package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Wire types of the protocol buffer encoding
// (https://protobuf.dev/programming-guides/encoding).
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// errTruncated ends the decoding of a message that stops in mid-field.
var errTruncated = errors.New("the file is truncated")

// reader walks over one message. It never copies: byte fields alias its buffer.
type reader struct {
	b      []byte
	budget *budget
}

// budget bounds what a hostile file can make the decoder allocate: an empty
// sub-message costs two bytes in the file and a whole struct in memory.
type budget struct{ messages, depth int }

// maxMessages is ten times the largest exported network seen (an unrolled
// 100k-node graph with its attributes and value infos); at about 200 bytes a
// message the worst case stays below half a gigabyte.
const (
	maxMessages = 2 << 20
	maxDepth    = 32 // graphs nested in attributes of If, Loop, Scan
)

func (r *reader) done() bool { return len(r.b) == 0 }

func (r *reader) varint() (uint64, error) {
	v, n := binary.Uvarint(r.b)
	switch {
	case n == 0:
		return 0, errTruncated
	case n < 0:
		return 0, errors.New("a number is longer than 64 bits")
	}
	r.b = r.b[n:]
	return v, nil
}

// field is one decoded field: its number, wire type and payload. num holds a
// varint or a fixed number; bytes holds a length-delimited payload.
type field struct {
	id, wire int
	num      uint64
	bytes    []byte
}

func (r *reader) next() (field, error) {
	tag, err := r.varint()
	if err != nil {
		return field{}, err
	}
	f := field{id: int(tag >> 3), wire: int(tag & 7)}
	if f.id == 0 || tag>>3 > 1<<29-1 {
		return field{}, fmt.Errorf("field number %d is not valid: not a protocol buffer", tag>>3)
	}
	switch f.wire {
	case wireVarint:
		f.num, err = r.varint()
	case wireFixed64:
		if len(r.b) < 8 {
			return field{}, errTruncated
		}
		f.num, r.b = binary.LittleEndian.Uint64(r.b), r.b[8:]
	case wireFixed32:
		if len(r.b) < 4 {
			return field{}, errTruncated
		}
		f.num, r.b = uint64(binary.LittleEndian.Uint32(r.b)), r.b[4:]
	case wireBytes:
		var n uint64
		if n, err = r.varint(); err != nil {
			break
		}
		if n > uint64(len(r.b)) {
			return field{}, errTruncated
		}
		f.bytes, r.b = r.b[:n:n], r.b[n:]
	default:
		return field{}, fmt.Errorf("wire type %d of field %d is not valid: not an ONNX file", f.wire, f.id)
	}
	return f, err
}

// want reports a field whose wire type is not the schema's.
func (f field) want(wire int) error {
	if f.wire != wire {
		return fmt.Errorf("field %d has wire type %d, want %d: not an ONNX file", f.id, f.wire, wire)
	}
	return nil
}

func (f field) str(to *string) error {
	*to = string(f.bytes)
	return f.want(wireBytes)
}

func (f field) strs(to *[]string) error {
	*to = append(*to, string(f.bytes))
	return f.want(wireBytes)
}

func (f field) int(to *int64) error {
	*to = int64(f.num)
	return f.want(wireVarint)
}

// ints appends a repeated integer field, packed or not.
func (f field) ints(to *[]int64) error {
	if f.wire == wireVarint {
		*to = append(*to, int64(f.num))
		return nil
	}
	if err := f.want(wireBytes); err != nil {
		return err
	}
	for r := (reader{b: f.bytes}); !r.done(); {
		v, err := r.varint()
		if err != nil {
			return err
		}
		*to = append(*to, int64(v))
	}
	return nil
}

// floats appends a repeated float field, packed or not.
func (f field) floats(to *[]float32) error {
	if f.wire == wireFixed32 {
		*to = append(*to, math.Float32frombits(uint32(f.num)))
		return nil
	}
	if err := f.want(wireBytes); err != nil {
		return err
	}
	if len(f.bytes)%4 != 0 {
		return errTruncated
	}
	for b := f.bytes; len(b) > 0; b = b[4:] {
		*to = append(*to, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return nil
}

// doubles appends a repeated double field, packed or not.
func (f field) doubles(to *[]float64) error {
	if f.wire == wireFixed64 {
		*to = append(*to, math.Float64frombits(f.num))
		return nil
	}
	if err := f.want(wireBytes); err != nil {
		return err
	}
	if len(f.bytes)%8 != 0 {
		return errTruncated
	}
	for b := f.bytes; len(b) > 0; b = b[8:] {
		*to = append(*to, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	return nil
}

// message decodes a sub-message by calling on for each of its fields.
func (r *reader) message(f field, on func(*reader, field) error) error {
	if err := f.want(wireBytes); err != nil {
		return err
	}
	r.budget.messages--
	if r.budget.messages < 0 {
		return fmt.Errorf("more than %d messages: refused to keep memory bounded", maxMessages)
	}
	r.budget.depth++
	defer func() { r.budget.depth-- }()
	if r.budget.depth > 4*maxDepth { // graph, node, attribute and tensor are a level each
		return fmt.Errorf("graphs are nested deeper than %d", maxDepth)
	}
	sub := reader{f.bytes, r.budget}
	for !sub.done() {
		g, err := sub.next()
		if err == nil {
			err = on(&sub, g)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writer builds one message. Zero values are left out, as proto3 does, unless a
// method says otherwise.
type writer struct{ b []byte }

func (w *writer) tag(id, wire int) { w.b = binary.AppendUvarint(w.b, uint64(id)<<3|uint64(wire)) }

func (w *writer) int(id int, v int64) {
	if v != 0 {
		w.intAlways(id, v)
	}
}

func (w *writer) intAlways(id int, v int64) {
	w.tag(id, wireVarint)
	w.b = binary.AppendUvarint(w.b, uint64(v))
}

func (w *writer) bytes(id int, v []byte) {
	w.tag(id, wireBytes)
	w.b = binary.AppendUvarint(w.b, uint64(len(v)))
	w.b = append(w.b, v...)
}

func (w *writer) str(id int, v string) {
	if v != "" {
		w.bytes(id, []byte(v))
	}
}

func (w *writer) strs(id int, v []string) {
	for _, s := range v { // an empty string is a missing optional input: kept
		w.bytes(id, []byte(s))
	}
}

func (w *writer) floatAlways(id int, v float32) {
	w.tag(id, wireFixed32)
	w.b = binary.LittleEndian.AppendUint32(w.b, math.Float32bits(v))
}

func (w *writer) floats(id int, v []float32) {
	if len(v) == 0 {
		return
	}
	p := make([]byte, 0, 4*len(v))
	for _, f := range v {
		p = binary.LittleEndian.AppendUint32(p, math.Float32bits(f))
	}
	w.bytes(id, p)
}

func (w *writer) doubles(id int, v []float64) {
	if len(v) == 0 {
		return
	}
	p := make([]byte, 0, 8*len(v))
	for _, f := range v {
		p = binary.LittleEndian.AppendUint64(p, math.Float64bits(f))
	}
	w.bytes(id, p)
}

func (w *writer) ints(id int, v []int64) {
	if len(v) == 0 {
		return
	}
	var p []byte
	for _, i := range v {
		p = binary.AppendUvarint(p, uint64(i))
	}
	w.bytes(id, p)
}

func (w *writer) message(id int, on func(*writer)) {
	var sub writer
	on(&sub)
	w.bytes(id, sub.b)
}
