package lut

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unique"
)

// Precision names the number format an operator computes in.
type Precision string

// The precisions a key can carry. INT8 is static quantisation (per-channel
// weights; QDQ in ONNX, full integer in TFLite); INT8Dyn quantises activations
// at run time; INT8W stores int8 weights and computes in floating point.
const (
	FP32    Precision = "fp32"
	FP16    Precision = "fp16"
	BF16    Precision = "bf16"
	INT8    Precision = "int8"
	INT8Dyn Precision = "int8dyn"
	INT8W   Precision = "int8w"
)

// Precisions lists every valid precision, widest first.
var Precisions = []Precision{FP32, FP16, BF16, INT8, INT8Dyn, INT8W}

// Attr is one categorical property of an operator, such as k=3 or act=relu6.
type Attr struct{ Name, Value string }

// Coord is the operator's position on one axis of the table, such as cin=24.
type Coord struct {
	Axis  string
	Value int
}

// CompareCoords orders positions axis by axis, numerically.
func CompareCoords(a, b []Coord) int {
	return slices.CompareFunc(a, b, func(x, y Coord) int {
		return cmp.Or(cmp.Compare(x.Axis, y.Axis), cmp.Compare(x.Value, y.Value))
	})
}

// Op is one operator (or block) as the runtime runs it. Its canonical text, the
// key, is
//
//	kind[attr=value,…]/precision@axis=value,…
//
// with attributes and axes sorted by name, for example
//
//	mbconv[act=relu6,k=3,res=1,s=1]/int8@cin=24,cout=24,h=28,mid=72,w=28
//
// Attributes are categorical: nothing is interpolated between them. Axes are
// positive integers.
type Op struct {
	Kind      string
	Attrs     []Attr // sorted by name, names unique
	Precision Precision
	At        []Coord // sorted by axis, axes unique
}

// NewOp builds a canonical Op from unordered attributes and coordinates. Equal texts of all
// that it builds are one in memory, which makes looking up an Op faster.
func NewOp(kind string, p Precision, attrs map[string]string, at map[string]int) Op {
	op := Op{Kind: one(kind), Precision: Precision(one(string(p)))}
	for n, v := range attrs {
		op.Attrs = append(op.Attrs, Attr{one(n), one(v)})
	}
	slices.SortFunc(op.Attrs, func(a, b Attr) int { return cmp.Compare(a.Name, b.Name) })
	for n, v := range at {
		op.At = append(op.At, Coord{one(n), v})
	}
	slices.SortFunc(op.At, func(a, b Coord) int { return cmp.Compare(a.Axis, b.Axis) })
	return op
}

// one is the text that stands for all equal ones.
func one(text string) string { return unique.Make(text).Value() }

// Family is the key without its coordinates.
func (o Op) Family() string { return string(o.appendFamily(nil)) }

func (o *Op) appendFamily(b []byte) []byte {
	b = append(b, o.Kind...)
	if len(o.Attrs) > 0 {
		for i, a := range o.Attrs {
			b = append(b, "[,"[min(i, 1)])
			b = append(b, a.Name...)
			b = append(b, '=')
			b = append(b, a.Value...)
		}
		b = append(b, ']')
	}
	b = append(b, '/')
	return append(b, o.Precision...)
}

// Grid is the family with the names of its axes, such as add/fp32@c,h,w: a kind may
// be placed on different axes (images, sequences), and each has a grid of its own.
func (o Op) Grid() string { return string(o.appendGrid(nil)) }

func (o *Op) appendGrid(b []byte) []byte {
	b = o.appendFamily(b)
	for i, c := range o.At {
		b = append(b, "@,"[min(i, 1)])
		b = append(b, c.Axis...)
	}
	return b
}

// String is the canonical key.
func (o Op) String() string {
	var buf [128]byte
	return string(o.appendKey(buf[:0]))
}

func (o *Op) appendKey(b []byte) []byte {
	b = o.appendFamily(b)
	for i, c := range o.At {
		b = append(b, "@,"[min(i, 1)])
		b = append(b, c.Axis...)
		b = append(b, '=')
		b = strconv.AppendInt(b, int64(c.Value), 10)
	}
	return b
}

// Attr returns the value of an attribute, or "" when the op does not carry it.
func (o Op) Attr(name string) string {
	for _, a := range o.Attrs {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

// Coord returns the position on an axis and whether the op has that axis.
func (o Op) Coord(axis string) (int, bool) {
	for _, c := range o.At {
		if c.Axis == axis {
			return c.Value, true
		}
	}
	return 0, false
}

// Point says where the op stands: its coordinates in the order of its axes.
func (o Op) Point() []int {
	at := make([]int, len(o.At))
	for i, c := range o.At {
		at[i] = c.Value
	}
	return at
}

// With returns a copy of the op moved to value on an axis it already has.
// It panics when the op lacks the axis: that is a programming error.
func (o Op) With(axis string, value int) Op {
	at := slices.Clone(o.At)
	for i := range at {
		if at[i].Axis == axis {
			at[i].Value = value
			o.At = at
			return o
		}
	}
	panic(fmt.Sprintf("lut: %s has no axis %q", o, axis))
}

// WithPrecision returns a copy of the op in another precision.
func (o Op) WithPrecision(p Precision) Op {
	o.Precision = p
	return o
}

// ParseOp reads a canonical key. Anything that String would not have written
// (wrong order, duplicate, leading zero, unknown precision) is an error, so that
// equal operators always have equal keys.
func ParseOp(key string) (Op, error) {
	var op Op
	bad := func(what string) (Op, error) {
		return Op{}, fmt.Errorf("operator key %.200q: %s", key, what)
	}
	head, at, _ := strings.Cut(key, "@")
	slash := strings.LastIndexByte(head, '/')
	if slash < 0 {
		return bad("no /precision after the kind")
	}
	op.Precision = Precision(head[slash+1:])
	if !slices.Contains(Precisions, op.Precision) {
		return bad(fmt.Sprintf("unknown precision %q", op.Precision))
	}
	head = head[:slash]
	if i := strings.IndexByte(head, '['); i >= 0 {
		if !strings.HasSuffix(head, "]") {
			return bad("attributes are not closed by ]")
		}
		for pair := range strings.SplitSeq(head[i+1:len(head)-1], ",") {
			n, v, ok := strings.Cut(pair, "=")
			if !ok || !isName(n) || !isValue(v) {
				return bad(fmt.Sprintf("attribute %q is not name=value", pair))
			}
			if k := len(op.Attrs); k > 0 && op.Attrs[k-1].Name >= n {
				return bad(fmt.Sprintf("attribute %q is out of order or duplicate", n))
			}
			op.Attrs = append(op.Attrs, Attr{n, v})
		}
		head = head[:i]
	}
	if !isName(head) {
		return bad(fmt.Sprintf("kind %q is not a name", head))
	}
	op.Kind = head
	if at == "" {
		if strings.Contains(key, "@") {
			return bad("no coordinates after @")
		}
		return op, nil
	}
	for pair := range strings.SplitSeq(at, ",") {
		n, v, ok := strings.Cut(pair, "=")
		if !ok || !isName(n) {
			return bad(fmt.Sprintf("coordinate %q is not axis=value", pair))
		}
		x, err := strconv.Atoi(v)
		if err != nil || x < 1 || x > 1<<30 || strconv.Itoa(x) != v {
			return bad(fmt.Sprintf("coordinate %q is not a whole number from 1 to 2^30", pair))
		}
		if k := len(op.At); k > 0 && op.At[k-1].Axis >= n {
			return bad(fmt.Sprintf("axis %q is out of order or duplicate", n))
		}
		op.At = append(op.At, Coord{n, x})
	}
	return op, nil
}

// MarshalText writes the key, so that an Op is a string in JSON.
func (o Op) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// AppendText appends the key (encoding.TextAppender); it never fails.
func (o Op) AppendText(b []byte) ([]byte, error) { return o.appendKey(b), nil }

// UnmarshalText reads a canonical key; see ParseOp.
func (o *Op) UnmarshalText(text []byte) error {
	op, err := ParseOp(string(text))
	if err == nil {
		*o = op
	}
	return err
}

// isName accepts lower-case identifiers: a letter, then letters, digits or _.
func isName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || i > 0 && (c >= '0' && c <= '9' || c == '_')) {
			return false
		}
	}
	return s != ""
}

// isValue accepts letters, digits and . _ - x: what an attribute value may hold.
func isValue(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return s != ""
}
