package agent

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/hint"
)

// npy writes what numpy.save writes for version 1.
func npy(header string, body []byte) []byte {
	for (10+len(header)+1)%64 != 0 {
		header += " "
	}
	header += "\n"
	out := append([]byte("\x93NUMPY\x01\x00"), 0, 0)
	binary.LittleEndian.PutUint16(out[8:], uint16(len(header)))
	return append(append(out, header...), body...)
}

func TestParseNPY(t *testing.T) {
	body := binary.LittleEndian.AppendUint32(nil, math.Float32bits(1.5))
	body = binary.LittleEndian.AppendUint32(body, math.Float32bits(-2))
	x, err := ParseNPY("x.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }", body))
	if err != nil {
		t.Fatal(err)
	}
	v, err := x.Floats()
	if err != nil || x.DType != "float32" || len(x.Shape) != 2 || v[0] != 1.5 || v[1] != -2 {
		t.Errorf("%+v %v %v", x, v, err)
	}
	for want, data := range map[string][]byte{
		"aé|":   npy("{'descr': '<U2', 'fortran_order': False, 'shape': (2,), }", []byte("a\x00\x00\x00\xe9\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")),
		"no|ok": npy("{'descr': '|S2', 'fortran_order': False, 'shape': (2,), }", []byte("nook")),
	} {
		s, err := ParseNPY("x.npy", data)
		if err != nil {
			t.Fatal(err)
		}
		if list, err := s.Strings(); err != nil || strings.Join(list, "|") != want {
			t.Errorf("%q %v, want %q", list, err, want)
		}
	}
	for want, data := range map[string][]byte{
		"not a .npy":    []byte("PK\x03\x04 a zip file"),
		"not supported": npy("{'descr': '|O', 'fortran_order': False, 'shape': (1, 2), }", body),
		"needs 12":      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", body),
		"lacks":         npy("{'descr': '<f4'}", body),
		"cut off":       []byte("\x93NUMPY\x01\x00\xff\xff"),
	} {
		if _, err := ParseNPY("x.npy", data); err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// What numpy.save writes for a 2×3 matrix of [[1 2 3] [4 5 6]] and its relatives.
func TestParseNPYOrders(t *testing.T) {
	i2 := func(o binary.AppendByteOrder, v ...uint16) (b []byte) {
		for _, x := range v {
			b = o.AppendUint16(b, x)
		}
		return b
	}
	want := i2(binary.LittleEndian, 1, 2, 3, 4, 5, 6)
	for descr, body := range map[string][]byte{
		"'<i2', 'fortran_order': False": want,
		"'>i2', 'fortran_order': False": i2(binary.BigEndian, 1, 2, 3, 4, 5, 6),
		"'<i2', 'fortran_order': True":  i2(binary.LittleEndian, 1, 4, 2, 5, 3, 6),
		"'>i2', 'fortran_order': True":  i2(binary.BigEndian, 1, 4, 2, 5, 3, 6),
		"'<V2', 'fortran_order': False": want,
	} {
		x, err := ParseNPY("x.npy", npy("{'descr': "+descr+", 'shape': (2, 3), }", body))
		if err != nil || !slices.Equal(x.Data, want) {
			t.Errorf("%s: %v, %v", descr, x.Data, err)
		}
	}
	x, err := ParseNPY("x.npy", npy("{'descr': '|S1', 'fortran_order': True, 'shape': (2, 2), }", []byte("acbd")))
	if err != nil {
		t.Fatal(err)
	}
	if list, err := x.Strings(); err != nil || strings.Join(list, "") != "abcd" {
		t.Errorf("%q, %v", list, err)
	}
}

func FuzzParseNPY(f *testing.F) {
	f.Add(npy("{'descr': '<f2', 'fortran_order': False, 'shape': (2,), }", []byte{0, 60, 0, 188}))
	f.Add(npy("{'descr': '<U2', 'fortran_order': False, 'shape': (1,), }", []byte{97, 0, 0, 0, 0, 0, 0, 0}))
	f.Add(npy("{'descr': '|S2', 'fortran_order': False, 'shape': (2,), }", []byte("ab\x00\x00")))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := ParseNPY("f", data)
		if err != nil {
			return
		}
		var count int
		if x.DType == "string" {
			v, err := x.Strings()
			if err != nil {
				t.Fatal(err)
			}
			count = len(v)
		} else {
			v, err := x.Floats()
			if err != nil {
				t.Fatal(err)
			}
			count = len(v)
		}
		n := 1
		for _, d := range x.Shape {
			n *= d
		}
		if count != n {
			t.Fatalf("%d elements for shape %v", count, x.Shape)
		}
	})
}

func TestCompareTensors(t *testing.T) {
	f := func(v ...float32) []Tensor {
		var b []byte
		for _, x := range v {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
		return []Tensor{{Name: "y", DType: "float32", Shape: []int{len(v)}, Data: b}}
	}
	n, err := CompareTensors(f(3, 4), f(3, 4))
	if err != nil || n.RelRMS != 0 || n.MaxAbs != 0 {
		t.Errorf("equal: %+v %v", n, err)
	}
	// Errors 0 and 5 against 3, −4: √(25/2) / √(25/2) = 1.
	if n, _ = CompareTensors(f(3, 1), f(3, -4)); math.Abs(n.RelRMS-1) > 1e-12 || n.MaxAbs != 5 {
		t.Errorf("%+v, want 1 and 5", n)
	}
	nan := float32(math.NaN())
	if n, _ = CompareTensors(f(nan, 4), f(3, 4)); !(n.RelRMS > 1) {
		t.Errorf("a NaN passes: %+v", n)
	}
	if _, err := CompareTensors(f(1), f(1, 2)); err == nil {
		t.Error("other sizes pass")
	}
	for bits, want := range map[uint16]float64{0x3c00: 1, 0xc000: -2, 0x0001: math.Ldexp(1, -24), 0x7bff: 65504} {
		if got := float16(bits); got != want {
			t.Errorf("float16 %#x = %v, want %v", bits, got, want)
		}
	}
}
