package space

import (
	"fmt"
	"math"
	"strconv"

	"github.com/isocost/isocost/lut"
)

// Unit is one operator or block of a space file: what a choice or a fixed part
// is made of, before it meets a shape. Kinds and attributes are the catalogue's
// (docs/catalogue.md); fields that a kind does not have are zero.
type Unit struct {
	Op    string  `json:"op"`
	K     int     `json:"k,omitempty"`     // kernel side
	S     int     `json:"s,omitempty"`     // stride; a choice takes its layer's
	E     float64 `json:"e,omitempty"`     // expansion: mid channels over those of refChannels
	SE    int     `json:"se,omitempty"`    // squeeze-excite reduction; 0: none
	Act   string  `json:"act,omitempty"`   // fused activation; "": none
	Heads int     `json:"heads,omitempty"` // attention heads
	Win   int     `json:"win,omitempty"`   // attention window side; 0: global
	Out   int     `json:"out,omitempty"`   // output channels (fixed parts)
	// Project makes a skip fit everywhere: where the shape changes, a 1×1
	// convolution with the layer's stride stands in its place.
	Project bool `json:"project,omitempty"`
}

// shape is the tensor between two layers: a map of c channels by h by w, or,
// when seq is set, a sequence of h·w tokens of c channels.
type shape struct {
	c, h, w int
	seq     bool
}

func (s shape) String() string {
	if s.seq {
		return fmt.Sprintf("sequence of %d (%d×%d) × %d", s.h*s.w, s.h, s.w, s.c)
	}
	return fmt.Sprintf("%d channels of %d×%d", s.c, s.h, s.w)
}

// at are the coordinates of an element-wise operator on the shape.
func (s shape) at() map[string]int {
	if s.seq {
		return map[string]int{"seq": s.h * s.w, "dim": s.c}
	}
	return map[string]int{"c": s.c, "h": s.h, "w": s.w}
}

// unitKind says what a kind of unit is allowed and how it lowers.
type unitKind struct {
	choice, fixed bool     // where it may stand
	fields        []string // YAML fields besides op
	need          []string // of these, required ones
	// lower gives the key's attributes and coordinates and the output shape. cout
	// is the output channels wanted, mid the expanded channels.
	lower func(u Unit, in shape, stride, cout, mid int) (attrs map[string]string, at map[string]int, out shape, err error)
	// mid reports that the unit has expanded channels, and refIn that they are
	// counted from the input's channels (else from the output's).
	mid, refIn bool
}

var acts = []string{"none", "relu", "relu6", "hswish", "silu", "gelu", "sigmoid", "hsigmoid"}

// units lists the kinds in the order errors print them.
var unitNames = []string{"mbconv", "fusedmbconv", "resbasic", "resbottleneck", "convnext", "encoder", "skip",
	"conv", "dwconv", "maxpool", "avgpool", "gap", "linear", "patchembed", "patchmerge", "layernorm"}

var unitKinds = map[string]unitKind{
	"mbconv":        {choice: true, fields: []string{"k", "e", "act", "se"}, need: []string{"k", "e"}, mid: true, refIn: true, lower: lowerMBConv},
	"fusedmbconv":   {choice: true, fields: []string{"k", "e", "act", "se"}, need: []string{"k", "e"}, mid: true, refIn: true, lower: lowerMBConv},
	"resbasic":      {choice: true, fields: []string{"e", "act"}, need: []string{"e"}, mid: true, lower: lowerResNet},
	"resbottleneck": {choice: true, fields: []string{"e", "act"}, need: []string{"e"}, mid: true, lower: lowerResNet},
	"convnext":      {choice: true, fields: []string{"k", "e"}, need: []string{"k", "e"}, mid: true, lower: lowerConvNeXt},
	"encoder":       {choice: true, fields: []string{"heads", "win", "e", "act"}, need: []string{"heads", "e"}, mid: true, lower: lowerEncoder},
	"skip":          {choice: true, fields: []string{"project"}, lower: lowerSkip},
	"conv":          {choice: true, fixed: true, fields: []string{"k", "s", "act", "out"}, need: []string{"k"}, lower: lowerConv},
	"dwconv":        {fixed: true, fields: []string{"k", "s", "act"}, need: []string{"k"}, lower: lowerConv},
	"maxpool":       {fixed: true, fields: []string{"k", "s"}, need: []string{"k"}, lower: lowerPool},
	"avgpool":       {fixed: true, fields: []string{"k", "s"}, need: []string{"k"}, lower: lowerPool},
	"gap":           {fixed: true, lower: lowerGAP},
	"linear":        {fixed: true, fields: []string{"act", "out"}, need: []string{"out"}, lower: lowerLinear},
	"patchembed":    {fixed: true, fields: []string{"k", "s", "out"}, need: []string{"k", "out"}, lower: lowerPatchEmbed},
	"patchmerge":    {fixed: true, fields: []string{"out"}, need: []string{"out"}, lower: lowerPatchMerge},
	"layernorm":     {fixed: true, lower: lowerLayerNorm},
}

func lowerMBConv(u Unit, in shape, s, cout, mid int) (map[string]string, map[string]int, shape, error) {
	if in.seq {
		return nil, nil, shape{}, fmt.Errorf("%s wants a map, not a %s", u.Op, in)
	}
	attrs := attrsOf(u, s)
	if s == 1 && in.c == cout {
		attrs["res"] = "1"
	}
	if u.SE > 0 {
		attrs["se"] = strconv.Itoa(u.SE)
	}
	return attrs, map[string]int{"h": in.h, "w": in.w, "cin": in.c, "mid": mid, "cout": cout},
		in.strided(s, cout), nil
}

func lowerResNet(u Unit, in shape, s, cout, mid int) (map[string]string, map[string]int, shape, error) {
	if in.seq {
		return nil, nil, shape{}, fmt.Errorf("%s wants a map, not a %s", u.Op, in)
	}
	attrs := attrsOf(u, s)
	if s != 1 || in.c != cout {
		attrs["proj"] = "1"
	}
	return attrs, map[string]int{"h": in.h, "w": in.w, "cin": in.c, "mid": mid, "cout": cout},
		in.strided(s, cout), nil
}

func lowerConvNeXt(u Unit, in shape, s, cout, mid int) (map[string]string, map[string]int, shape, error) {
	if in.seq || s != 1 || in.c != cout {
		return nil, nil, shape{}, fmt.Errorf("convnext keeps a map's shape, but meets stride %d, %d channels out and a %s", s, cout, in)
	}
	return map[string]string{"k": strconv.Itoa(u.K)}, map[string]int{"h": in.h, "w": in.w, "c": in.c, "mid": mid}, in, nil
}

func lowerEncoder(u Unit, in shape, s, cout, mid int) (map[string]string, map[string]int, shape, error) {
	switch {
	case s != 1 || in.c != cout:
		return nil, nil, shape{}, fmt.Errorf("encoder keeps the shape, but meets stride %d, %d channels out and a %s", s, cout, in)
	case !in.seq && in.h != in.w:
		return nil, nil, shape{}, fmt.Errorf("encoder wants a sequence or a square map, not %s", in)
	case in.c%u.Heads != 0:
		return nil, nil, shape{}, fmt.Errorf("%d heads do not divide %d channels", u.Heads, in.c)
	}
	attrs := map[string]string{"heads": strconv.Itoa(u.Heads)}
	if !in.seq {
		attrs["map"] = "1"
	}
	if u.Act != "" {
		attrs["act"] = u.Act
	}
	if u.Win > 0 {
		if in.h != in.w || in.h%u.Win != 0 {
			return nil, nil, shape{}, fmt.Errorf("windows of side %d do not tile a %s", u.Win, in)
		}
		attrs["win"] = strconv.Itoa(u.Win)
	}
	return attrs, map[string]int{"seq": in.h * in.w, "dim": in.c, "mid": mid}, in, nil
}

func lowerSkip(u Unit, in shape, s, cout, _ int) (map[string]string, map[string]int, shape, error) {
	if s != 1 || in.c != cout {
		if u.Project && !in.seq {
			return attrsOf(Unit{K: 1}, s), map[string]int{"h": in.h, "w": in.w, "cin": in.c, "cout": cout}, in.strided(s, cout), nil
		}
		return nil, nil, shape{}, fmt.Errorf("skip keeps the shape, but meets stride %d and %d channels out of a %s", s, cout, in)
	}
	return nil, nil, in, nil
}

func lowerConv(u Unit, in shape, s, cout, _ int) (map[string]string, map[string]int, shape, error) {
	if in.seq {
		return nil, nil, shape{}, fmt.Errorf("%s wants a map, not a %s", u.Op, in)
	}
	if u.Op == "dwconv" {
		return attrsOf(u, s), in.at(), in.strided(s, in.c), nil
	}
	return attrsOf(u, s), map[string]int{"h": in.h, "w": in.w, "cin": in.c, "cout": cout}, in.strided(s, cout), nil
}

func lowerPool(u Unit, in shape, s, _, _ int) (map[string]string, map[string]int, shape, error) {
	if in.seq {
		return nil, nil, shape{}, fmt.Errorf("%s wants a map, not a %s", u.Op, in)
	}
	return attrsOf(u, s), in.at(), in.strided(s, in.c), nil
}

func lowerGAP(u Unit, in shape, _, _, _ int) (map[string]string, map[string]int, shape, error) {
	return map[string]string{}, in.at(), shape{c: in.c, h: 1, w: 1}, nil
}

func lowerLinear(u Unit, in shape, _, cout, _ int) (map[string]string, map[string]int, shape, error) {
	if !in.seq && (in.h != 1 || in.w != 1) {
		return nil, nil, shape{}, fmt.Errorf("linear wants a pooled map or a sequence, not %s: put gap before it", in)
	}
	attrs := map[string]string{}
	if u.Act != "" {
		attrs["act"] = u.Act
	}
	out := in
	out.c = cout
	return attrs, map[string]int{"m": in.h * in.w, "cin": in.c, "cout": cout}, out, nil
}

func lowerPatchEmbed(u Unit, in shape, s, cout, _ int) (map[string]string, map[string]int, shape, error) {
	if in.seq || in.h%s != 0 || in.w%s != 0 {
		return nil, nil, shape{}, fmt.Errorf("patchembed of stride %d does not tile a %s", s, in)
	}
	out := in.strided(s, cout)
	out.seq = true
	return attrsOf(Unit{K: u.K}, s), map[string]int{"h": in.h, "w": in.w, "cin": in.c, "dim": cout}, out, nil
}

func lowerPatchMerge(u Unit, in shape, _, cout, _ int) (map[string]string, map[string]int, shape, error) {
	if !in.seq || in.h%2 != 0 || in.w%2 != 0 {
		return nil, nil, shape{}, fmt.Errorf("patchmerge wants a sequence of even sides, not a %s", in)
	}
	out := shape{c: cout, h: in.h / 2, w: in.w / 2, seq: true}
	return map[string]string{}, map[string]int{"h": in.h, "w": in.w, "cin": in.c, "cout": cout}, out, nil
}

func lowerLayerNorm(u Unit, in shape, _, _, _ int) (map[string]string, map[string]int, shape, error) {
	if !in.seq {
		return nil, nil, shape{}, fmt.Errorf("layernorm wants a sequence, not %s", in)
	}
	return map[string]string{}, in.at(), in, nil
}

// strided is the output of a "same"-padded kernel: sides divided, rounded up.
func (s shape) strided(stride, c int) shape {
	return shape{c: c, h: (s.h + stride - 1) / stride, w: (s.w + stride - 1) / stride}
}

func attrsOf(u Unit, stride int) map[string]string {
	attrs := map[string]string{"s": strconv.Itoa(stride)}
	if u.K > 0 {
		attrs["k"] = strconv.Itoa(u.K)
	}
	if u.Act != "" {
		attrs["act"] = u.Act
	}
	return attrs
}

// Round gives x to the nearest multiple of divisor, at least divisor; halves go
// up. (MobileNet's make_divisible adds a rule against shrinking by over 10 %;
// here the grid says what is wanted.)
func Round(x float64, divisor int) int {
	d := float64(divisor)
	return max(divisor, int(math.Floor(x/d+0.5))*divisor)
}

// op lowers the unit on a shape. A skip has no operator: kind "".
func (u Unit) op(in shape, stride, cout, mid int, p lut.Precision) (lut.Op, shape, error) {
	attrs, at, out, err := unitKinds[u.Op].lower(u, in, stride, cout, mid)
	if err != nil || attrs == nil { // a skip that is nothing
		return lut.Op{}, out, err
	}
	kind := u.Op
	if kind == "skip" {
		kind = "conv"
	}
	return lut.NewOp(kind, p, attrs, at), out, nil
}
