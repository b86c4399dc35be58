package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/bits"
	"path"
	"strconv"

	"github.com/isocost/isocost/internal/half"
)

// DataType is TensorProto.DataType.
type DataType int64

// Element types, with the schema's numbers.
const (
	Undefined  DataType = 0
	Float      DataType = 1
	Uint8      DataType = 2
	Int8       DataType = 3
	Uint16     DataType = 4
	Int16      DataType = 5
	Int32      DataType = 6
	Int64      DataType = 7
	String     DataType = 8
	Bool       DataType = 9
	Float16    DataType = 10
	Double     DataType = 11
	Uint32     DataType = 12
	Uint64     DataType = 13
	Complex64  DataType = 14
	Complex128 DataType = 15
	BFloat16   DataType = 16
	Float8E4M3 DataType = 17
	Float8E5M2 DataType = 19
	Uint4      DataType = 21
	Int4       DataType = 22
)

var dataTypes = map[DataType]struct {
	name string
	bits int
}{
	Float: {"float32", 32}, Uint8: {"uint8", 8}, Int8: {"int8", 8}, Uint16: {"uint16", 16}, Int16: {"int16", 16},
	Int32: {"int32", 32}, Int64: {"int64", 64}, String: {"string", 0}, Bool: {"bool", 8}, Float16: {"float16", 16},
	Double: {"float64", 64}, Uint32: {"uint32", 32}, Uint64: {"uint64", 64}, Complex64: {"complex64", 64},
	Complex128: {"complex128", 128}, BFloat16: {"bfloat16", 16}, Float8E4M3: {"float8e4m3fn", 8},
	18: {"float8e4m3fnuz", 8}, Float8E5M2: {"float8e5m2", 8}, 20: {"float8e5m2fnuz", 8}, Uint4: {"uint4", 4},
	Int4: {"int4", 4}, 23: {"float4e2m1", 4},
}

// String is numpy's name of the type.
func (d DataType) String() string {
	if t, ok := dataTypes[d]; ok {
		return t.name
	}
	return fmt.Sprintf("datatype(%d)", int64(d))
}

// Bits is the size of one element in bits; 0 for strings and unknown types.
func (d DataType) Bits() int { return dataTypes[d].bits }

// Tensor is a TensorProto. Its elements are in Raw (little-endian, row-major),
// in one of the typed fields, or in another file. Floats, Ints and Bytes read
// whichever it is.
type Tensor struct {
	Name       string
	Doc        string
	Type       DataType
	Dims       []int64
	Raw        []byte
	HasRaw     bool
	FloatData  []float32
	Int32Data  []int64 // int32_data: also narrower integers, bool, float16 and bfloat16 bits
	Int64Data  []int64
	Uint64Data []int64 // bits of uint64, uint32
	DoubleData []float64
	StringData [][]byte
	IsExternal bool
	External   []Entry // location, offset, length, checksum
}

// ErrExternal is returned by accessors of a tensor whose elements are in another
// file: LoadExternal brings them in.
var ErrExternal = errors.New("the tensor's data is in another file")

// Len is the number of elements. Negative dimensions and products beyond 2^40
// are errors: no such tensor fits a device.
func (t *Tensor) Len() (int, error) {
	n := uint64(1)
	for _, d := range t.Dims {
		if d < 0 {
			return 0, fmt.Errorf("tensor %q: dimension %d is negative", t.Name, d)
		}
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > 1<<40 {
			return 0, fmt.Errorf("tensor %q: shape %v is too large", t.Name, t.Dims)
		}
		n = lo
	}
	return int(n), nil
}

// Bytes returns the elements as little-endian bytes, row-major; 4-bit elements
// are packed two per byte, low half first. It may alias the file.
func (t *Tensor) Bytes() ([]byte, error) {
	n, err := t.Len()
	if err != nil {
		return nil, err
	}
	width := t.Type.Bits()
	if width == 0 {
		return nil, fmt.Errorf("tensor %q: no bytes for element type %v", t.Name, t.Type)
	}
	want := (n*width + 7) / 8
	if t.HasRaw {
		if len(t.Raw) != want {
			return nil, fmt.Errorf("tensor %q: %d bytes of data, shape %v of %v needs %d", t.Name, len(t.Raw), t.Dims, t.Type, want)
		}
		return t.Raw, nil
	}
	if t.IsExternal {
		return nil, fmt.Errorf("tensor %q: %w", t.Name, ErrExternal)
	}
	have := len(t.FloatData) + len(t.Int32Data) + len(t.Int64Data) + len(t.Uint64Data) + len(t.DoubleData)
	need := n
	switch {
	case width == 4: // two elements in each int32_data entry's low byte
		need = want
	case t.Type == Complex64 || t.Type == Complex128:
		need = 2 * n
	}
	if have != need {
		return nil, fmt.Errorf("tensor %q: %d elements of data, shape %v needs %d", t.Name, have, t.Dims, need)
	}
	out := make([]byte, 0, want)
	for _, v := range t.FloatData {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	for _, v := range t.DoubleData {
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
	}
	for _, s := range [][]int64{t.Int32Data, t.Int64Data, t.Uint64Data} {
		for _, v := range s {
			switch {
			case width <= 8:
				out = append(out, byte(v))
			case width == 16:
				out = binary.LittleEndian.AppendUint16(out, uint16(v))
			case width == 32:
				out = binary.LittleEndian.AppendUint32(out, uint32(v))
			default:
				out = binary.LittleEndian.AppendUint64(out, uint64(v))
			}
		}
	}
	if len(out) != want {
		return nil, fmt.Errorf("tensor %q: its data is not stored in the field of %v", t.Name, t.Type)
	}
	return out, nil
}

// Floats returns the elements of a floating point tensor (float32, float64,
// float16, bfloat16) as float32.
func (t *Tensor) Floats() ([]float32, error) {
	b, err := t.Bytes()
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	n := len(b) * 8 / t.Type.Bits()
	out := make([]float32, n)
	for i := range out {
		switch t.Type {
		case Float:
			out[i] = math.Float32frombits(le.Uint32(b[4*i:]))
		case Double:
			out[i] = float32(math.Float64frombits(le.Uint64(b[8*i:])))
		case Float16:
			out[i] = half.ToFloat32(le.Uint16(b[2*i:]))
		case BFloat16:
			out[i] = half.BToFloat32(le.Uint16(b[2*i:]))
		default:
			return nil, fmt.Errorf("tensor %q: %v is not a floating point type", t.Name, t.Type)
		}
	}
	return out, nil
}

// Ints returns the elements of an integer or bool tensor as int64 (uint64 keeps
// its bits).
func (t *Tensor) Ints() ([]int64, error) {
	b, err := t.Bytes()
	if err != nil {
		return nil, err
	}
	n, err := t.Len()
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	out := make([]int64, n)
	for i := range out {
		switch t.Type {
		case Int8:
			out[i] = int64(int8(b[i]))
		case Uint8, Bool:
			out[i] = int64(b[i])
		case Int16:
			out[i] = int64(int16(le.Uint16(b[2*i:])))
		case Uint16:
			out[i] = int64(le.Uint16(b[2*i:]))
		case Int32:
			out[i] = int64(int32(le.Uint32(b[4*i:])))
		case Uint32:
			out[i] = int64(le.Uint32(b[4*i:]))
		case Int64, Uint64:
			out[i] = int64(le.Uint64(b[8*i:]))
		case Uint4:
			out[i] = int64(b[i/2] >> (4 * (i % 2)) & 15)
		case Int4:
			out[i] = int64(int8(b[i/2]>>(4*(i%2))<<4) >> 4)
		default:
			return nil, fmt.Errorf("tensor %q: %v is not an integer type", t.Name, t.Type)
		}
	}
	return out, nil
}

// LoadExternal reads an external tensor's elements from root, the folder of the
// model file, into Raw, and makes the tensor an ordinary one. A location outside
// the root is an error. Other tensors are left as they are.
func (t *Tensor) LoadExternal(root fs.FS) error {
	if !t.IsExternal {
		return nil
	}
	n, err := t.Len()
	if err != nil {
		return err
	}
	want := int64((n*t.Type.Bits() + 7) / 8)
	var location string
	var offset int64
	length := want
	for _, e := range t.External {
		var to *int64
		switch e.Key {
		case "location":
			location = e.Value
		case "offset":
			to = &offset
		case "length":
			to = &length
		}
		if to != nil {
			if *to, err = strconv.ParseInt(e.Value, 10, 64); err != nil || *to < 0 {
				return fmt.Errorf("tensor %q: external %s %q is not a size", t.Name, e.Key, e.Value)
			}
		}
	}
	if length != want || want == 0 && n > 0 {
		return fmt.Errorf("tensor %q: %d external bytes, shape %v of %v needs %d", t.Name, length, t.Dims, t.Type, want)
	}
	location = path.Clean(location)
	if !fs.ValidPath(location) || location == "." {
		return fmt.Errorf("tensor %q: external location %q is outside the model's folder", t.Name, location)
	}
	f, err := root.Open(location)
	if err != nil {
		return fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	// Checked before allocating: the shape is the file's claim.
	if info.Size()-offset < length {
		return fmt.Errorf("tensor %q: %s has %d bytes, needs %d from %d on", t.Name, location, info.Size(), length, offset)
	}
	at, ok := f.(io.ReaderAt)
	if !ok {
		return fmt.Errorf("tensor %q: %s cannot be read at an offset", t.Name, location)
	}
	raw := make([]byte, length)
	if _, err := at.ReadAt(raw, offset); err != nil && err != io.EOF {
		return fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	t.Raw, t.HasRaw, t.IsExternal, t.External = raw, true, false, nil
	return nil
}

// RawTensor makes a tensor from little-endian bytes, which it keeps.
func RawTensor(name string, typ DataType, raw []byte, dims ...int) *Tensor {
	t := &Tensor{Name: name, Type: typ, Raw: raw, HasRaw: true}
	for _, d := range dims {
		t.Dims = append(t.Dims, int64(d))
	}
	return t
}

// FloatTensor makes a tensor of a floating point type, rounding to nearest.
func FloatTensor(name string, typ DataType, v []float32, dims ...int) *Tensor {
	raw := make([]byte, 0, len(v)*typ.Bits()/8)
	for _, f := range v {
		switch typ {
		case Float:
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
		case Float16:
			raw = binary.LittleEndian.AppendUint16(raw, half.FromFloat32(f))
		case BFloat16:
			raw = binary.LittleEndian.AppendUint16(raw, half.BFromFloat32(f))
		default:
			panic(fmt.Sprintf("onnx: %v is not a floating point type to write", typ))
		}
	}
	return RawTensor(name, typ, raw, dims...)
}

// IntTensor makes a tensor of type int8, uint8, int32 or int64; what does not fit
// wraps.
func IntTensor(name string, typ DataType, v []int64, dims ...int) *Tensor {
	raw := make([]byte, 0, len(v)*typ.Bits()/8)
	for _, i := range v {
		switch typ {
		case Int8, Uint8, Bool:
			raw = append(raw, byte(i))
		case Int32:
			raw = binary.LittleEndian.AppendUint32(raw, uint32(i))
		case Int64:
			raw = binary.LittleEndian.AppendUint64(raw, uint64(i))
		default:
			panic(fmt.Sprintf("onnx: %v is not an integer type to write", typ))
		}
	}
	return RawTensor(name, typ, raw, dims...)
}
