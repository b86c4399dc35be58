package agent

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/isocost/isocost/internal/hint"
)

// npyTypes maps a .npy descr (NEP 1) to numpy's name of the type.
var npyTypes = map[string]string{
	"|b1": "bool", "|i1": "int8", "|u1": "uint8",
	"<i2": "int16", "<i4": "int32", "<i8": "int64", "<u2": "uint16", "<u4": "uint32", "<u8": "uint64",
	"<f2": "float16", "<f4": "float32", "<f8": "float64",
	"<V2": "bfloat16", // as numpy.save writes ml_dtypes.bfloat16, a type numpy has no letter for
}

// npyText is a descr of text: bytes ("|S5") or little-endian UCS-4 ("<U5").
var npyText = regexp.MustCompile(`^(\|S|<U)([1-9][0-9]*)$`)

var (
	npyDescr   = regexp.MustCompile(`'descr':\s*'([^']*)'`)
	npyFortran = regexp.MustCompile(`'fortran_order':\s*(True|False)`)
	npyShape   = regexp.MustCompile(`'shape':\s*\(([0-9, ]*)\)`)
)

// ReadNPY reads a .npy file; see ParseNPY.
func ReadNPY(path string) (Tensor, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Tensor{}, err
	}
	return ParseNPY(path, data)
}

// ParseNPY reads a .npy array (NumPy Enhancement Proposal 1, versions 1 to 3) of
// a fixed-size type; numbers of either byte order, elements in C or Fortran order
// (numpy saves a transposed matrix so). name stands for the file in errors.
func ParseNPY(name string, data []byte) (Tensor, error) {
	bad := func(format string, args ...any) (Tensor, error) {
		return Tensor{}, hint.Wrap(fmt.Errorf("%s: "+format, append([]any{name}, args...)...),
			"write the array with numpy.save: numbers, bools or text, no objects")
	}
	if len(data) < 10 || string(data[:6]) != "\x93NUMPY" {
		return bad("not a .npy file")
	}
	var n, at int
	switch data[6] {
	case 1:
		n, at = int(binary.LittleEndian.Uint16(data[8:])), 10
	case 2, 3:
		if len(data) < 12 {
			return bad("cut off")
		}
		n, at = int(binary.LittleEndian.Uint32(data[8:])), 12
	default:
		return bad(".npy version %d is unknown", data[6])
	}
	if n < 0 || at+n > len(data) {
		return bad("cut off in its header")
	}
	header, body := data[at:at+n], data[at+n:]
	descr, fortran, shape := npyDescr.FindSubmatch(header), npyFortran.FindSubmatch(header), npyShape.FindSubmatch(header)
	if descr == nil || fortran == nil || shape == nil {
		return bad("header %.100q lacks descr, fortran_order or shape", header)
	}
	dtype, ok := npyTypes[string(descr[1])]
	bigEndian := false
	if rest, is := strings.CutPrefix(string(descr[1]), ">"); is && rest[0] != 'V' {
		dtype, ok = npyTypes["<"+rest]
		bigEndian = true
	}
	size := elementSize[dtype]
	if text := npyText.FindSubmatch(descr[1]); text != nil {
		width, err := strconv.Atoi(string(text[2]))
		if err != nil || width > 1<<20 {
			return bad("element type %q is out of range", descr[1])
		}
		dtype, ok, size = "string", true, width
		if text[1][len(text[1])-1] == 'U' {
			size *= 4 // UCS-4
		}
	}
	if !ok {
		return bad("element type %q is not supported", descr[1])
	}
	t := Tensor{DType: dtype, Shape: []int{}, Data: bytes.Clone(body)}
	width := size
	for f := range strings.SplitSeq(string(shape[1]), ",") {
		if f = strings.TrimSpace(f); f == "" {
			continue
		}
		d, err := strconv.Atoi(f)
		if err != nil || d < 0 || d > 0 && size > (1<<40)/d {
			return bad("shape (%s) is out of range", shape[1])
		}
		t.Shape = append(t.Shape, d)
		size *= d
	}
	if len(body) != size {
		return bad("%d bytes of elements where shape %v of %s needs %d", len(body), t.Shape, dtype, size)
	}
	columns := string(fortran[1]) == "True" && len(t.Shape) > 1
	if dtype == "string" {
		list, err := npyStrings(body, width, descr[1][1] == 'U')
		if err != nil {
			return bad("%v", err)
		}
		if columns {
			list = cOrder(list, t.Shape)
		}
		t.Data = JoinStrings(list)
		return t, nil
	}
	if !columns && !bigEndian {
		return t, nil
	}
	elements := slices.Collect(slices.Chunk(t.Data, width))
	if bigEndian {
		for _, e := range elements {
			slices.Reverse(e)
		}
	}
	if columns {
		elements = cOrder(elements, t.Shape)
	}
	t.Data = slices.Concat(elements...)
	return t, nil
}

// cOrder turns elements whose first index runs fastest into elements whose last does.
func cOrder[E any](elements []E, shape []int) []E {
	out := make([]E, 0, len(elements))
	index := make([]int, len(shape))
	for range elements {
		at := 0
		for d := len(shape) - 1; d >= 0; d-- {
			at = at*shape[d] + index[d]
		}
		out = append(out, elements[at])
		for d := len(shape) - 1; d >= 0; d-- {
			if index[d]++; index[d] < shape[d] {
				break
			}
			index[d] = 0
		}
	}
	return out
}

// npyStrings cuts fixed-width text, padded with zeros: UCS-4 or bytes.
func npyStrings(body []byte, width int, ucs4 bool) ([]string, error) {
	var out []string
	for width > 0 && len(body) >= width {
		cell := body[:width]
		body = body[width:]
		if ucs4 {
			var s []rune
			for ; len(cell) > 0; cell = cell[4:] {
				s = append(s, rune(binary.LittleEndian.Uint32(cell)))
			}
			cell = []byte(string(s)) // an invalid code point becomes U+FFFD
		}
		s := strings.TrimRight(string(cell), "\x00")
		if strings.Contains(s, "\x00") || !utf8.ValidString(s) {
			return nil, fmt.Errorf("element %d holds a zero or is not UTF-8", len(out))
		}
		out = append(out, s)
	}
	return out, nil
}
