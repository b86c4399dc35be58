package benchmarks

import (
	"math"
	"slices"

	"github.com/isocost/isocost/internal/tflitefb"
)

// What readers of models know the element-wise operators by, from their definitions.

// ONNXFunction is the kind of one input that an ONNX operator is, "" for none; one of
// com.microsoft has that and a colon before its name. attr gives the operator's string
// attributes.
func ONNXFunction(op string, attr func(name string) string) string {
	kind := ""
	for _, f := range functions {
		switch v := f.onnx.Variant; {
		case slices.Contains(f.onnx.Also, op), f.onnx.Name == op && v[0] == "":
			kind = f.name
		case f.onnx.Name == op && attr(v[0]) == v[1]:
			return f.name
		}
	}
	return kind
}

// ONNXPair is the kind of two inputs that an ONNX operator is, "" for none.
func ONNXPair(op string) string {
	for _, p := range pairs {
		if p.onnx.Name == op || slices.Contains(p.onnx.Also, op) {
			return p.name
		}
	}
	return ""
}

// TFLiteFunction is the kind of one input that an operator of a .tflite file is, "" for
// none. option gives the operator's options.
func TFLiteFunction(code tflitefb.Op, option func(name string) float64) string {
	kind := ""
	for _, f := range functions {
		switch {
		case !slices.Contains(f.tflite.Codes, code):
		case f.tflite.Variant == "":
			kind = f.name
		case option(f.tflite.Variant) == 1:
			return f.name
		}
	}
	return kind
}

// TFLitePair is the kind of two inputs that an operator of a .tflite file is, "" for none.
func TFLitePair(code tflitefb.Op) string {
	for _, p := range pairs {
		if slices.Contains(p.tflite.Codes, code) {
			return p.name
		}
	}
	return ""
}

// IsFunction reports that a kind is a function of one input.
func IsFunction(kind string) bool {
	_, ok := functionOf(kind)
	return ok
}

// IsPair reports that a kind is a function of two inputs, element by element.
func IsPair(kind string) bool {
	return slices.ContainsFunc(pairs, func(p pair) bool { return p.name == kind })
}

// IsClamp reports a function that cuts its input off at bounds and changes nothing between
// them: the number format does that in int8.
func IsClamp(function string) bool {
	f, ok := functionOf(function)
	return ok && f.act == fusedClamp
}

// Clamp is the clamp to the range from lo to hi, "" where the catalogue has none.
func Clamp(lo, hi float64) string {
	for _, f := range functions {
		if f.act == fusedClamp && f.value(math.Inf(-1)) == lo && f.value(math.Inf(1)) == hi {
			return f.name
		}
	}
	return ""
}

// Streams lists the kinds that cost what this one costs on as many bytes, itself included: an instruction
// per number of one operand, or of two. Any other kind is alone.
func Streams(kind string) []string {
	var one, two []string
	for _, f := range functions {
		if f.streams {
			one = append(one, f.name)
		}
	}
	for _, p := range pairs {
		if p.streams {
			two = append(two, p.name)
		}
	}
	for _, kinds := range [][]string{one, two} {
		if slices.Contains(kinds, kind) {
			return kinds
		}
	}
	return []string{kind}
}

// Multiplies reports a kind that multiplies its input by matrices or kernels, all of whose
// constants are part of its key's cell.
func Multiplies(kind string) bool {
	o := operators[kind]
	return o != nil && o.work.macs != nil
}

// CanFuse reports that a layer's key can have the function as its activation (act).
func CanFuse(function string) bool { return canFuse(function) }
