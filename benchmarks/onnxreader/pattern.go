package onnxreader

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// pattern is one node of a parsed rule: an operator with arguments, a variable or
// a number.
type pattern struct {
	op    string
	args  []*pattern
	name  string // variable
	value float64
	num   bool
}

type compiled struct {
	rule
	tree *pattern
}

// compiledRules are the rules by the operator at their root.
var compiledRules = func() map[string][]compiled {
	out := map[string][]compiled{}
	for _, r := range rules {
		p, rest, err := parsePattern(r.pattern)
		if err != nil || rest != "" {
			panic(fmt.Sprintf("onnxreader: rule %s: %v at %q", r.name, err, rest)) // a mistake in rules.go, found by any test
		}
		out[p.op] = append(out[p.op], compiled{r, p})
	}
	return out
}()

func parsePattern(s string) (*pattern, string, error) {
	i := 0
	for i < len(s) && s[i] != '(' && s[i] != ')' && s[i] != ',' {
		i++
	}
	word, rest := s[:i], s[i:]
	if word == "" {
		return nil, s, fmt.Errorf("nothing where an operand is wanted")
	}
	if !strings.HasPrefix(rest, "(") {
		if v, err := strconv.ParseFloat(word, 64); err == nil {
			return &pattern{num: true, value: v}, rest, nil
		}
		return &pattern{name: word}, rest, nil
	}
	p := &pattern{op: word}
	for {
		arg, r, err := parsePattern(rest[1:])
		if err != nil {
			return nil, r, err
		}
		p.args = append(p.args, arg)
		rest = r
		if rest == "" {
			return nil, rest, fmt.Errorf("no closing bracket")
		}
		if rest[0] == ')' {
			return p, rest[1:], nil
		}
	}
}

// match binds a rule's tree to the graph at node n.
type match struct {
	vars  map[string]*value
	nodes []*node
}

func (m *match) clone() *match {
	c := &match{vars: map[string]*value{}, nodes: append([]*node(nil), m.nodes...)}
	for k, v := range m.vars {
		c.vars[k] = v
	}
	return c
}

// matchNode tries the pattern's operator at n.
func (m *match) matchNode(p *pattern, n *node) bool {
	if n == nil || n.dead || n.op != p.op || n.int8 || len(n.out) == 0 || n.out[0] == nil {
		return false
	}
	for _, seen := range m.nodes {
		if seen == n { // a shared subexpression, already matched
			return true
		}
	}
	// Operators with attributes or optional inputs (Clip's bounds as attributes) are
	// matched on the inputs the pattern names.
	if p.op == "Clip" {
		lo, hi, ok := clipBounds(n)
		if !ok || len(p.args) != 3 || !near(lo, p.args[1].value) || !near(hi, p.args[2].value) {
			return false
		}
		m.nodes = append(m.nodes, n)
		return m.matchValue(p.args[0], n.in[0])
	}
	if p.op == "ReduceMean" {
		if len(n.in) == 0 || n.in[0] == nil || !n.in[0].known {
			return false
		}
		axes, ok := n.reduceAxes()
		if !ok || len(axes) == 0 || !axes[len(axes)-1] {
			return false
		}
		for _, on := range axes[:len(axes)-1] {
			if on {
				return false // over the last axis only
			}
		}
		m.nodes = append(m.nodes, n)
		return m.matchValue(p.args[0], n.in[0])
	}
	if len(n.in) != len(p.args) {
		return false
	}
	m.nodes = append(m.nodes, n)
	if len(p.args) == 2 && (p.op == "Add" || p.op == "Mul") {
		try := m.clone()
		if try.matchValue(p.args[0], n.in[0]) && try.matchValue(p.args[1], n.in[1]) {
			*m = *try
			return true
		}
		return m.matchValue(p.args[0], n.in[1]) && m.matchValue(p.args[1], n.in[0])
	}
	for i, a := range p.args {
		if !m.matchValue(a, n.in[i]) {
			return false
		}
	}
	return true
}

func (m *match) matchValue(p *pattern, v *value) bool {
	switch {
	case v == nil:
		return false
	case p.num:
		return v.constant && v.hasData && len(v.data) == 1 && near(v.data[0], p.value)
	case p.op != "":
		return !v.constant && m.matchNode(p, v.from)
	case p.name == "c" || p.name == "e" || p.name == "b":
		return v.constant
	}
	if old, ok := m.vars[p.name]; ok {
		return old == v
	}
	if v.constant {
		return false
	}
	m.vars[p.name] = v
	return true
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-3*math.Max(math.Abs(b), 1e-3) }

// clipBounds are a Clip's limits, of its attributes (opset < 11) or inputs.
func clipBounds(n *node) (lo, hi float64, ok bool) {
	lo, hi = math.Inf(-1), math.Inf(1)
	if n.src != nil && n.src.Attr("min") != nil {
		lo = float64(n.src.Float("min", 0))
	}
	if n.src != nil && n.src.Attr("max") != nil {
		hi = float64(n.src.Float("max", 0))
	}
	for i, p := range []*float64{&lo, &hi} {
		if v := n.input(i + 1); v != nil {
			d, has := n.data(i + 1)
			if !has || len(d) != 1 {
				return 0, 0, false
			}
			*p = d[0]
		}
	}
	return lo, hi, len(n.in) > 0 && n.in[0] != nil
}

// inside reports that what the match swallows is used nowhere else.
func (m *match) inside(root *node) bool {
	in := map[*node]bool{}
	for _, n := range m.nodes {
		in[n] = true
	}
	for _, n := range m.nodes {
		if n == root {
			continue
		}
		for _, v := range n.out {
			if v == nil {
				continue
			}
			if v.output {
				return false
			}
			for _, user := range v.to {
				if !in[user] {
					return false
				}
			}
		}
	}
	return true
}
