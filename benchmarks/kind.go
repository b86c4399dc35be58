package benchmarks

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// ErrUnknownKind is wrapped by errors about an operator the catalogue does not
// have: it can be looked up in a table, but not planned or built.
var ErrUnknownKind = errors.New("not in the catalogue")

// kind is one entry of the catalogue: an operator, or a block of several, as keys name it.
// Everything that is true of it alone stands in its definition; docs/catalogue.md is
// written from the definitions.
type kind struct {
	name, doc string
	block     bool // of several layers
	attrs     []attribute
	axes      []string // coordinates of the key, all required
	sequence  bool     // takes axes seq, dim instead of c, h, w as well
	// axesOf gives the axes where they depend on the attributes, which axesDoc says in words.
	axesOf  func(a args) []string
	axesDoc string
	// in and out are the shapes without the batch. check, when set, says what else
	// is wrong with a key.
	in, out func(a args) Shape
	check   func(a args) error
	build   func(b *builder, a args, x *graph.Value) *graph.Value
	// converts says that build brings its input to the key's precision itself.
	converts bool
	// floating says that its input and output are float in every precision: what is int8
	// about it is inside. A switch to or from it is built by nobody else.
	floating bool
	// files says that it is built of a file, which a Library holds. It has no example.
	files bool
	// streams says that its weights are read once, one after another, not again and again
	// for each pixel.
	streams bool
	frame   frame
	// weights says how many constants the operator has, of those that count beside its
	// tensors.
	weights func(a args) (int, error)
	// shortcut reports that the operator adds its input to its result; nil: never.
	shortcut func(a args) bool
	grid     grid
	// example is a small key with P for the precision; of several, which stand for what
	// must come before it, the last is meant.
	example string
	// operator is the graph's operator of this name; nil where the kind is built of others.
	operator *operator
}

// kinds is the catalogue.
var kinds = map[string]kind{}

// define adds a kind, and the graph's operator with it.
func define(k kind) {
	if _, twice := kinds[k.name]; twice {
		panic("benchmarks: kind " + k.name + " is defined twice")
	}
	if k.operator != nil {
		k.operator.name = k.name
		defineOperator(*k.operator)
	}
	kinds[k.name] = k
}

// Kinds lists the names of all operators and blocks that the catalogue builds by itself.
func Kinds() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(kinds)), func(name string) bool { return kinds[name].files })
}

// Example returns a small chain that ends in an operator of the kind, in one precision;
// what comes before gives it the input it needs. It fails like Check.
func Example(name string, p lut.Precision) (Chain, error) {
	k, ok := kinds[name]
	if !ok || k.files {
		return nil, fmt.Errorf("kind %q: %w", name, ErrUnknownKind)
	}
	var c Chain
	for key := range strings.FieldsSeq(strings.NewReplacer("/P@", "/"+string(p)+"@", "=P]", "="+string(p)+"]").Replace(k.example)) {
		op, err := lut.ParseOp(key)
		if err != nil {
			return nil, err
		}
		if err := Check(op); err != nil {
			return nil, err
		}
		c = append(c, op)
	}
	return c, nil
}

// Check says why the catalogue cannot build the operator, nil if it can: an
// unknown kind (ErrUnknownKind), attribute or axis, a missing one, a value out
// of range.
func Check(op lut.Op) error {
	if err := check(op); err != nil {
		return fmt.Errorf("operator %s: %w", op, err)
	}
	return nil
}

func check(op lut.Op) error {
	k, ok := kinds[op.Kind]
	if !ok {
		return hint.Wrap(fmt.Errorf("kind %q: %w", op.Kind, ErrUnknownKind), "the kinds are %s", strings.Join(Kinds(), " "))
	}
	a := args{op}
	if err := k.checkAttrs(op); err != nil {
		return err
	}
	axes := k.axes
	if k.sequence && a.has("seq") {
		axes = []string{"seq", "dim"}
	}
	if k.axesOf != nil {
		axes = k.axesOf(a)
	}
	if !slices.EqualFunc(slices.Sorted(slices.Values(axes)), op.At, func(n string, c lut.Coord) bool { return n == c.Axis }) {
		return fmt.Errorf("%s has axes %s", op.Kind, strings.Join(axes, " "))
	}
	tensors := []Shape{op.Point()} // no tensor inside has more elements than the axes' product
	if k.files {                   // its axes are those of two tensors
		tensors = []Shape{k.in(a), k.out(a)}
	}
	for _, s := range tensors {
		if !s.bounded() {
			return fmt.Errorf("its axes multiply to more than %d", maxElements)
		}
	}
	if k.check != nil {
		if err := k.check(a); err != nil {
			return err
		}
	}
	for _, d := range slices.Concat(k.in(a), k.out(a)) {
		if d < 1 {
			return fmt.Errorf("nothing is left of %v: the kernel is larger than the padded map", k.in(a))
		}
	}
	return nil
}

func (s Shape) bounded() bool {
	elements := 1
	for _, d := range s {
		if d > maxElements/elements {
			return false
		}
		elements *= d
	}
	return true
}

// maxElements bounds the product of a key's axes, hence of every tensor: a
// hostile key must not allocate the machine's memory. An LLM's largest matrix
// times its sequence is about 2^40.
const maxElements = 1 << 44

func orNone(s []string) string {
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, " ")
}

func (k kind) checkAttrs(op lut.Op) error {
	for _, at := range op.Attrs {
		i := slices.IndexFunc(k.attrs, func(a attribute) bool { return a.name == at.Name })
		if i < 0 {
			var names []string
			for _, a := range k.attrs {
				names = append(names, a.name)
			}
			slices.Sort(names)
			return hint.Wrap(fmt.Errorf("%s has no attribute %q", k.name, at.Name), "its attributes are %s", orNone(names))
		}
		if err := k.attrs[i].check(at.Value); err != nil {
			return err
		}
	}
	for _, a := range k.attrs {
		if a.required && op.Attr(a.name) == "" {
			return fmt.Errorf("%s needs attribute %q", k.name, a.name)
		}
	}
	return nil
}

// Shapes returns an operator's input and output shape without the batch.
func Shapes(op lut.Op) (in, out Shape, err error) {
	if err := Check(op); err != nil {
		return nil, nil, err
	}
	k := kinds[op.Kind]
	return k.in(args{op}), k.out(args{op}), nil
}

// NeedsSwitch reports that a tensor changes its type between layers of these
// precisions: dynamic and weight-only int8 have float activations.
func NeedsSwitch(from, to lut.Precision) bool { return activationType(from) != activationType(to) }

// Converts reports an operator between two layers that changes the precision of what
// passes and computes nothing: a chain in one precision has no place for it.
func Converts(op lut.Op) bool { return kinds[op.Kind].converts }

// In returns the chain with every operator in one precision. Conversions between layers
// are left out, unless the chain has nothing else.
func (c Chain) In(p lut.Precision) Chain {
	var out Chain
	for _, op := range c {
		if len(c) == 1 || !Converts(op) {
			out = append(out, op.WithPrecision(p))
		}
	}
	return out
}

func activationType(p lut.Precision) graph.DType {
	switch p {
	case lut.FP16:
		return graph.Float16
	case lut.BF16:
		return graph.BFloat16
	case lut.INT8:
		return graph.Int8
	}
	return graph.Float32
}

// mapAxes are the axes of operators on maps; those that take sequences as well have seq
// and dim instead.
var mapAxes = []string{"c", "h", "w"}

func mapShape(a args) Shape {
	if a.has("seq") {
		return Shape{a.axis("seq"), a.axis("dim")}
	}
	return Shape{a.axis("c"), a.axis("h"), a.axis("w")}
}
