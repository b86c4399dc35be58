package benchmarks

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestDocumentedKinds: docs/catalogue.md lists exactly the kinds there are, with
// their attributes (required ones in bold) and axes.
func TestDocumentedKinds(t *testing.T) {
	text, err := os.ReadFile("../docs/catalogue.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for line := range strings.SplitSeq(string(text), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			continue
		}
		name := strings.Trim(cells[1], " `")
		k, ok := kinds[name]
		if !ok {
			t.Errorf("docs/catalogue.md lists %q, which is no kind", name)
			continue
		}
		listed[name] = true
		var attrs []string
		for a := range strings.FieldsSeq(cells[2]) {
			if bare := strings.Trim(a, "*"); bare != a {
				a = bare + "!"
			}
			attrs = append(attrs, a)
		}
		if want := slices.Clone(k.attrs); !slices.Equal(sorted(attrs), sorted(want)) {
			t.Errorf("%s: documented attributes %v, want %v", name, attrs, want)
		}
		map_, seq, both := strings.Cut(cells[3], "/")
		axes := strings.Fields(map_)
		if k.axesOf == nil && !slices.Equal(sorted(axes), sorted(k.axes)) || both != k.sequence || both && strings.TrimSpace(seq) != "seq dim" {
			t.Errorf("%s: documented axes %q, want %v (and sequences: %v)", name, cells[3], k.axes, k.sequence)
		}
	}
	for name := range kinds {
		if !listed[name] {
			t.Errorf("docs/catalogue.md does not list %q", name)
		}
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }
