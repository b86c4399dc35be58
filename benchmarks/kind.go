package benchmarks

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// ErrUnknownKind is wrapped by errors about an operator the catalogue does not
// have: it can be looked up in a table, but not planned or built.
var ErrUnknownKind = errors.New("not in the catalogue")

// kind is one entry of the catalogue: docs/catalogue.md says what each is.
type kind struct {
	attrs    []string // allowed attributes; a trailing "!" makes one required
	axes     []string // coordinates of the key, all required
	sequence bool     // takes axes seq, dim instead of c, h, w as well
	// axesOf gives the axes where they depend on the attributes.
	axesOf func(a args) []string
	// in and out are the shapes without the batch. check, when set, says what else
	// is wrong with a key.
	in, out func(a args) Shape
	check   func(a args) error
	build   func(b *builder, a args, x *graph.Value) *graph.Value
}

// Kinds lists the names of all operators and blocks of the catalogue.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

// Activations that an operator or a block can have fused or inside.
var activations = []string{"relu", "relu6", "hswish", "silu", "gelu", "sigmoid", "hsigmoid"}

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
	need := map[string]bool{}
	for _, n := range k.attrs {
		name, required := strings.CutSuffix(n, "!")
		need[name] = required
	}
	for _, at := range op.Attrs {
		if _, ok := need[at.Name]; !ok {
			return hint.Wrap(fmt.Errorf("%s has no attribute %q", op.Kind, at.Name), "its attributes are %s", orNone(slices.Sorted(maps.Keys(need))))
		}
		if err := checkAttr(at.Name, at.Value); err != nil {
			return err
		}
		delete(need, at.Name)
	}
	for name, required := range need {
		if required {
			return fmt.Errorf("%s needs attribute %q", op.Kind, name)
		}
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
	elements := 1
	for _, c := range op.At {
		if c.Value > maxElements/elements {
			return fmt.Errorf("its axes multiply to more than %d", maxElements)
		}
		elements *= c.Value
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

// checkAttr checks a value by the attribute's name, which means the same in every kind.
func checkAttr(name, v string) error {
	ok := true
	switch name {
	case "k", "s", "d", "size":
		_, ok = parsePair(v)
	case "p":
		_, _, ok = parsePads(v)
	case "act":
		// leakyrelu is one of exported networks, which runtimes fuse as well.
		if ok = slices.Contains(activations, v) || v == "leakyrelu"; !ok {
			return hint.Wrap(fmt.Errorf("unknown activation %q", v), "the activations are %s; leave act out for none", strings.Join(activations, " "))
		}
	case "rescale", "skip", "res", "proj", "noexp", "plain", "fused":
		ok = v == "1"
	case "from":
		ok = slices.Contains(lut.Precisions, lut.Precision(v))
	case "to", "perm": // the kind checks them
	case "op":
		ok = slices.Contains(reductions, v)
	case "mode":
		ok = v == "nearest" || v == "linear" || v == "cubic"
	case "e":
		ok = v == "2" || v == "3" || v == "0.7"
	case "axis":
		ok = v == "inner"
	case "b":
		ok = v == "c" || v == "s" || v == "x"
	default: // g, se, r, heads, win, n, f
		n, err := strconv.Atoi(v)
		ok = err == nil && n >= 1 && strconv.Itoa(n) == v
	}
	if !ok {
		return fmt.Errorf("attribute %s=%q is not valid", name, v)
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

func mapShape(a args) Shape {
	if a.has("seq") {
		return Shape{a.axis("seq"), a.axis("dim")}
	}
	return Shape{a.axis("c"), a.axis("h"), a.axis("w")}
}
