package benchmarks

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/isocost/isocost/lut"
)

// Shape is a tensor's shape without the batch: [c h w] for a map, [seq dim] for
// a sequence, [c] for a vector. A map of 1×1 and a vector are interchangeable.
type Shape []int

func (s Shape) String() string {
	switch len(s) {
	case 3:
		return fmt.Sprintf("%d channels of %d×%d", s[0], s[1], s[2])
	case 2:
		return fmt.Sprintf("sequence of %d × %d", s[0], s[1])
	}
	return fmt.Sprint([]int(s))
}

func (s Shape) equal(t Shape) bool {
	if len(s) != len(t) {
		return false
	}
	for i := range s {
		if s[i] != t[i] {
			return false
		}
	}
	return true
}

// Fits reports that a tensor of shape s can be the input of an operator that
// wants t: equal, or both a vector: one of its own, a pooled map, a sequence of one.
func (s Shape) Fits(t Shape) bool {
	n := s.vector()
	return s.equal(t) || n > 0 && n == t.vector()
}

// vector is the length of a shape that is a vector in one of its forms, else 0.
func (s Shape) vector() int {
	switch {
	case len(s) == 1, len(s) == 3 && s[1] == 1 && s[2] == 1:
		return s[0]
	case len(s) == 2 && s[0] == 1:
		return s[1]
	}
	return 0
}

// args reads an operator's attributes and coordinates after check has accepted
// them; a missing attribute reads as its default.
type args struct{ op lut.Op }

// axis is the value of a coordinate the kind requires.
func (a args) axis(name string) int {
	v, _ := a.op.Coord(name)
	return v
}

func (a args) has(axis string) bool {
	_, ok := a.op.Coord(axis)
	return ok
}

func (a args) str(name string) string { return a.op.Attr(name) }

// int reads an integer attribute; check has refused anything else.
func (a args) int(name string, def int) int {
	if v := a.op.Attr(name); v != "" {
		n, _ := strconv.Atoi(v)
		return n
	}
	return def
}

// pair reads "3" as {3, 3} and "3x5" as {3, 5}: height, then width.
func (a args) pair(name string, def int) [2]int {
	v := a.op.Attr(name)
	if v == "" {
		return [2]int{def, def}
	}
	p, _ := parsePair(v)
	return p
}

func parsePair(v string) ([2]int, bool) {
	h, w, ok := strings.Cut(v, "x")
	if !ok {
		w = h
	}
	y, err1 := strconv.Atoi(h)
	x, err2 := strconv.Atoi(w)
	return [2]int{y, x}, err1 == nil && err2 == nil && y >= 1 && x >= 1 && y <= 1<<20 && x <= 1<<20
}

// pads are top, left, bottom, right.
type pads [4]int

// parsePads reads the attribute p: "" or "same" (false), one number for all
// sides, or top-left-bottom-right.
func parsePads(v string) (p pads, explicit, ok bool) {
	if v == "" || v == "same" {
		return pads{}, false, true
	}
	parts := strings.Split(v, "-")
	if len(parts) != 1 && len(parts) != 4 {
		return pads{}, true, false
	}
	for i := range p {
		n, err := strconv.Atoi(parts[i%len(parts)])
		if err != nil || n < 0 || n > 1<<16 {
			return pads{}, true, false
		}
		p[i] = n
	}
	return p, true, true
}

// window is a sliding kernel: what a convolution and a pool have in common.
type window struct {
	k, s, d [2]int
	p       pads
	h, w    int // output size
}

// slide works out the padding and the output of a kernel over an h×w map. Same
// padding gives ⌈size/stride⌉ outputs, the odd pixel at the bottom and the right,
// as TensorFlow does, so that TFLite needs no Pad operator of its own; the cost
// is that of PyTorch's symmetric padding, which has the same output size.
func (a args) slide(h, w int) window {
	win := window{k: a.pair("k", 1), s: a.pair("s", 1), d: a.pair("d", 1)}
	size := [2]int{h, w}
	p, explicit, _ := parsePads(a.str("p"))
	win.p = p
	out := [2]int{}
	for i := range 2 {
		reach := (win.k[i]-1)*win.d[i] + 1
		if !explicit {
			out[i] = (size[i] + win.s[i] - 1) / win.s[i]
			total := max(0, (out[i]-1)*win.s[i]+reach-size[i])
			win.p[i], win.p[i+2] = total/2, total-total/2
			continue
		}
		out[i] = floorDiv(size[i]+win.p[i]+win.p[i+2]-reach, win.s[i]) + 1
	}
	win.h, win.w = out[0], out[1]
	return win
}

func floorDiv(a, b int) int {
	if a < 0 {
		return -1
	}
	return a / b
}
