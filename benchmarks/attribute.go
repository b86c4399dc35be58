package benchmarks

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/internal/hint"
)

// attribute is one attribute of a kind: its name, what it means, and which values it has.
type attribute struct {
	name     string
	required bool
	doc      string
	absent   string // what leaving it out means
	valid    func(v string) bool
	refuse   func(v string) error // instead of saying that the value is not valid
}

// need is the attribute where it may not be left out.
func need(a attribute) attribute {
	a.required = true
	return a
}

// named is the attribute under another name or with another meaning.
func (a attribute) named(name, doc, absent string) attribute {
	a.name, a.doc, a.absent = name, doc, absent
	return a
}

func (a attribute) check(v string) error {
	switch {
	case a.valid(v):
		return nil
	case a.refuse != nil:
		return a.refuse(v)
	}
	return fmt.Errorf("attribute %s=%q is not valid", a.name, v)
}

// oneOf are an attribute's values.
func oneOf(values ...string) func(string) bool {
	return func(v string) bool { return slices.Contains(values, v) }
}

func isPair(v string) bool {
	_, ok := parsePair(v)
	return ok
}

func isCount(v string) bool {
	n, err := strconv.Atoi(v)
	return err == nil && n >= 1 && strconv.Itoa(n) == v
}

func anything(string) bool { return true } // the kind checks it

// Attributes that several kinds have.
var (
	kernel   = attribute{name: "k", doc: "kernel, `3` or `3x5` (height, width)", absent: "–", valid: isPair}
	stride   = attribute{name: "s", doc: "stride", absent: "1", valid: isPair}
	dilation = attribute{name: "d", doc: "dilation", absent: "1", valid: isPair}
	groups   = attribute{name: "g", doc: "groups", absent: "1", valid: isCount}
	padding  = attribute{name: "p", doc: "padding: one number, or `top-left-bottom-right`",
		absent: "same: ⌈size/stride⌉ outputs, the odd pixel at the bottom and the right",
		valid:  func(v string) bool { _, _, ok := parsePads(v); return ok }}
	residual = flag("res", "`1`: a residual", "none")
	noExpand = flag("noexp", "`1`: no expanding convolution (then `mid` = `cin`)", "it is there")
	heads    = attribute{name: "heads", doc: "attention heads", absent: "–", valid: isCount}
	windows  = attribute{name: "win", doc: "side of square windows", absent: "global", valid: isCount}
	inner    = attribute{name: "axis", doc: "`inner`: over the numbers that lie apart in memory, axes b m n", absent: "over the last axis", valid: oneOf("inner")}
)

func flag(name, doc, absent string) attribute {
	return attribute{name: name, doc: doc, absent: absent, valid: oneOf("1")}
}

// activation is the attribute act, whose values are the functions that say so.
func activation() attribute {
	return attribute{name: "act", doc: "activation of the result", absent: "none", valid: func(v string) bool { return canFuse(v) },
		refuse: func(v string) error {
			return hint.Wrap(fmt.Errorf("unknown activation %q", v), "the activations are %s; leave act out for none", strings.Join(activations(), " "))
		}}
}
