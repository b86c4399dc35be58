package ortmemory

import "testing"

// Plans worked out by hand after ONNX Runtime's planner; sizes are of one 32-bit
// number per element.
func TestBuffersAreArrangedLikeTheRuntime(t *testing.T) {
	slotOf := func(shape ...int) *slot {
		n := int64(4)
		for _, d := range shape {
			n *= int64(d)
		}
		return &slot{shape: shape, width: 32, bytes: n}
	}
	x := func() *slot { s := slotOf(10); s.foreign = true; return s }
	for what, c := range map[string]struct {
		steps func() []*step
		want  []int64
	}{
		"a chain: two neighbours at a time": {func() []*step {
			a, b, y := slotOf(10), slotOf(20), x()
			return []*step{{in: []*slot{x()}, out: []*slot{a}}, {in: []*slot{a}, out: []*slot{b}}, {in: []*slot{b}, out: []*slot{y}}}
		}, []int64{40, 120, 80}},
		"a buffer that is used again is not freed before": {func() []*step {
			a, b, c, y := slotOf(10), slotOf(20), slotOf(10), x()
			return []*step{{in: []*slot{x()}, out: []*slot{a}}, {in: []*slot{a}, out: []*slot{b}}, {in: []*slot{b}, out: []*slot{slotOf(5)}},
				{in: []*slot{b}, out: []*slot{c}}, {in: []*slot{c}, out: []*slot{y}}}
		}, []int64{40, 120, 140, 120, 40}},
		"in place where nobody else needs the input": {func() []*step {
			a, b, y := slotOf(10), slotOf(10), x()
			return []*step{{in: []*slot{x()}, out: []*slot{a}}, {in: []*slot{a}, out: []*slot{b}, inplace: []int{0}}, {in: []*slot{b}, out: []*slot{y}}}
		}, []int64{40, 40, 40}},
		"not in place where somebody does": {func() []*step {
			a, b, y := slotOf(10), slotOf(10), x()
			return []*step{{in: []*slot{x()}, out: []*slot{a}}, {in: []*slot{a}, out: []*slot{b}, inplace: []int{0}}, {in: []*slot{a, b}, out: []*slot{y}}}
		}, []int64{40, 80, 80}},
		"a view lies in its input, an input of the network in nothing": {func() []*step {
			a, b, y, in := slotOf(10), slotOf(2, 5), x(), x()
			return []*step{{in: []*slot{in}, out: []*slot{slotOf(2, 5)}, alias: true}, {in: []*slot{in}, out: []*slot{a}},
				{in: []*slot{a}, out: []*slot{b}, alias: true}, {in: []*slot{b}, out: []*slot{y}, own: 7}}
		}, []int64{0, 40, 40, 47}},
		"another width is another buffer": {func() []*step {
			a, b, c, y := slotOf(10), slotOf(20), slotOf(10), x()
			c.width, c.bytes = 8, 10
			return []*step{{in: []*slot{x()}, out: []*slot{a}}, {in: []*slot{a}, out: []*slot{b}}, {in: []*slot{b}, out: []*slot{c}}, {in: []*slot{c}, out: []*slot{y}}}
		}, []int64{40, 120, 90, 10}},
	} {
		got := arrange(c.steps())
		for i := range c.want {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v bytes in use, want %v", what, got, c.want)
				break
			}
		}
	}
}
