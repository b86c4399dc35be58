package search

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/searchtest"
	"github.com/isocost/isocost/search/space"
)

// walk sums a tensor along one architecture, as docs/formats/tensor.md says.
func walk(t *testing.T, x *Tensor, table int, a space.Arch) float64 {
	t.Helper()
	grid := 0
	if x.Space.GlobalWidth {
		grid = a.Layers[0].Width
	}
	sum, kernels, state := 0.0, 0, 0
	for i, part := range x.Grids[grid].Parts {
		c, w, p := 0, 0, 0
		if part.Layer >= 0 {
			l, have := x.Layers[part.Layer], a.Layers[part.Layer]
			for l.Choices[c] != have.Choice {
				c++
			}
			for l.Precisions[p] != have.Precision {
				p++
			}
			if w = have.Width; x.Space.GlobalWidth {
				w = 0
			}
		}
		costs := x.Tables[table].Grids[grid]
		sum += costs.Own[i][c][w][p] + float64(costs.Between[i][state][c][w][p])
		kernels += part.Kernels[state][c][w][p]
		state = part.Next[state][c][w][p]
		if state < 0 {
			t.Fatalf("part %d of %s is not come to", i, a.Key())
		}
	}
	sum += x.Tables[table].Overhead
	if cal := x.Tables[table].Calibration; cal != nil {
		c := lut.Calibration{A: cal.A, B: cal.B, C: cal.C, SumLo: cal.SumLo}
		for _, p := range cal.Curve {
			c.Curve = append(c.Curve, lut.Point{X: p[0], Y: p[1]})
		}
		return c.Apply(sum, kernels)
	}
	return sum
}

// The arrays' sum is the price of every architecture, of spaces with switches of
// precision, skips, and local and global widths.
func TestTensorIsThePrice(t *testing.T) {
	for name, global := range map[string]bool{"mobile-cnn": false, "digits": false, "tiny-cnn": true} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile("../examples/" + name + "/space.yaml")
			if err != nil {
				t.Fatal(err)
			}
			if global {
				text = []byte(strings.Replace(string(text), "scope: layer", "scope: global", 1))
			}
			s, err := space.ReadMeasured(name, text)
			if err != nil || s.GlobalWidth() != global {
				t.Fatal(err)
			}
			cost := func(op lut.Op) float64 { // differs with every coordinate and attribute
				v := 1.0
				for i, b := range []byte(op.String()) {
					v += float64(int(b)*(i%7+1)) / 100
				}
				return v
			}
			table, err := FastLUTCost(s, searchtest.Table(t, s, 0.01, cost))
			if err != nil {
				t.Fatal(err)
			}
			count, err := NewCountCost(s, CountFLOPs)
			if err != nil {
				t.Fatal(err)
			}
			x, err := NewTensor(s, []Band{{Name: "t", Unit: "us", Cost: table}, {Name: "space:flops", Unit: "flops", Cost: count}})
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range append(space.Sample(s, 200, 1), s.Default()) {
				for k, c := range []Cost{table, count} {
					want, err := c.Cost(a)
					if err != nil {
						t.Fatal(err)
					}
					if got := walk(t, x, k, a); math.Abs(got/want.Value-1) > 1e-12 {
						t.Fatalf("%s by table %d: the arrays say %v, the price is %v", a.Key(), k, got, want.Value)
					}
				}
			}
			text, err = x.Encode()
			if err != nil {
				t.Fatal(err)
			}
			var back map[string]any
			if err := json.Unmarshal(text, &back); err != nil || back["format"] != TensorFormat {
				t.Errorf("%v: %v", back["format"], err)
			}
			if again, _ := x.Encode(); string(again) != string(text) {
				t.Error("encoded twice, it differs")
			}
		})
	}
}

func TestTensorRefusesWhatIsNoSum(t *testing.T) {
	s, err := space.OpenMeasured("../examples/tiny-cnn/space.yaml")
	if err != nil {
		t.Fatal(err)
	}
	memory := searchtest.Table(t, s, 0.01, func(lut.Op) float64 { return 1 })
	memory.File().Metric = lut.Memory
	for name, c := range map[string]struct {
		cost Cost
		want string
	}{
		"memory": {NewLUTCost(s, memory), "memory is not the sum"},
		"rows":   {&RowCost{}, "not sums over layers"},
	} {
		if _, err := NewTensor(s, []Band{{Name: name, Cost: c.cost}}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
