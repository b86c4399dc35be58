package benchmarks

import (
	"math"
	"slices"
	"testing"

	"github.com/isocost/isocost/lut"
)

// silences lists what a definition leaves out.
func (k kind) silences() []string {
	var missing []string
	say := func(said bool, what string) {
		if !said {
			missing = append(missing, what)
		}
	}
	say(k.doc != "", "documentation")
	for _, a := range k.attrs {
		say(a.doc != "" && a.absent != "" && a.valid != nil, "meaning, absence and values of attribute "+a.name)
	}
	say(len(k.axes) > 0 != (k.axesOf != nil), "axes")
	say(k.axesOf == nil || k.axesDoc != "", "axes in words")
	say(k.in != nil && k.out != nil, "shapes")
	say(k.build != nil, "how it is built")
	say(k.frame.how != 0, "frame")
	say(k.frame.how != ownFrame || k.frame.own != nil, "frame of its own")
	say(k.weights != nil, "weights")
	say(k.grid.shapes != nil || k.grid.why != "", "grid, or why it has none")
	say((k.example != "") != k.files, "example")
	if k.operator != nil {
		missing = append(missing, k.operator.silences()...)
	}
	return missing
}

func (o *operator) silences() []string {
	var missing []string
	for what, said := range map[string]bool{
		"arithmetic": o.value.Said(), "work": o.work.how != 0, "ONNX form": o.onnx.Said(), "TensorFlow Lite form": o.tflite.Said(), "TensorFlow form": o.tf.Said(),
	} {
		if !said {
			missing = append(missing, what)
		}
	}
	slices.Sort(missing)
	return missing
}

// TestDefinitionsSayEverything: every kind and every operator of the graph says all that
// there is to say, and its example is what it should be.
func TestDefinitionsSayEverything(t *testing.T) {
	for name, k := range kinds {
		for _, what := range k.silences() {
			t.Errorf("%s does not say its %s", name, what)
		}
		if k.files {
			continue // module_test.go brings files
		}
		var built []lut.Precision
		for _, p := range lut.Precisions {
			c, err := Example(name, p)
			if err != nil { // a kind may refuse a precision, but not all of them
				continue
			}
			if last := c[len(c)-1]; last.Kind != name {
				t.Errorf("%s: its example ends in %s", name, last)
			}
			if _, err := Build(c, BuildOptions{Shapes: true}); err != nil {
				t.Errorf("%s: example %v: %v", name, c, err)
			}
			if _, err := Frame(c[len(c)-1]); err != nil {
				t.Errorf("%s: frame of its example: %v", name, err)
			}
			built = append(built, p)
		}
		if len(built) == 0 {
			t.Errorf("%s: its example %q is in no precision", name, k.example)
		}
	}
	for name, o := range operators {
		for _, what := range o.silences() {
			t.Errorf("operator %s does not say its %s", name, what)
		}
	}
	if len(kinds) < 60 || len(operators) < 50 {
		t.Errorf("%d kinds, %d operators", len(kinds), len(operators))
	}
}

// Silence is found: an empty definition lacks everything.
func TestSilenceIsFound(t *testing.T) {
	if got := (kind{}).silences(); len(got) != 8 {
		t.Errorf("an empty kind lacks %q", got)
	}
	if got := (&operator{}).silences(); len(got) != 5 {
		t.Errorf("an empty operator lacks %q", got)
	}
	forgetful := functions[0].kind()
	forgetful.frame = frame{}
	if got := forgetful.silences(); !slices.Equal(got, []string{"frame"}) {
		t.Errorf("a kind without a frame lacks %q", got)
	}
}

// TestFunctionsSpread: the distribution that a function claims for its results on standard
// normal numbers holds the values it has, within a factor that int8 ranges can bear.
func TestFunctionsSpread(t *testing.T) {
	for _, f := range functions {
		if f.frame.how == needsPositive || f.steep { // of other inputs
			continue
		}
		var ms, weight float64
		for x := -6.0; x <= 6; x += 1e-3 {
			density := math.Exp(-x * x / 2)
			ms, weight = ms+density*f.value(x)*f.value(x), weight+density
		}
		ms /= weight
		if claimed := f.spread(stat{0, 1}).ms; claimed < ms/3 || claimed > ms*3 {
			t.Errorf("%s: mean square %.3g is claimed, it is %.3g", f.name, claimed, ms)
		}
	}
}
