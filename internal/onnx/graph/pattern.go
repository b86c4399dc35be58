package graph

import (
	"fmt"
	"github.com/isocost/isocost/internal/onnx"
	"math"
	"strconv"
	"strings"
)

// Pattern is one node of a parsed rule: an operator with arguments, a variable or
// a number.
type Pattern struct {
	op    string
	args  []*Pattern
	name  string // variable
	value float64
	num   bool
}

// ParsePattern reads a pattern and returns it with what follows it in s.
func ParsePattern(s string) (*Pattern, string, error) {
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
			return &Pattern{num: true, value: v}, rest, nil
		}
		return &Pattern{name: word}, rest, nil
	}
	p := &Pattern{op: word}
	for {
		arg, r, err := ParsePattern(rest[1:])
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

// Match binds a rule's tree to the graph at node n.
type Match struct {
	refuse func(*Node) bool
	Vars   map[string]*Value
	nodes  []*Node
}

func (m *Match) clone() *Match {
	c := &Match{refuse: m.refuse, Vars: map[string]*Value{}, nodes: append([]*Node(nil), m.nodes...)}
	for k, v := range m.Vars {
		c.Vars[k] = v
	}
	return c
}

// matchNode tries the pattern's operator at n.
func (m *Match) matchNode(p *Pattern, n *Node) bool {
	if n == nil || n.Gone || n.Op != p.op || m.refuse(n) || len(n.Out) == 0 || n.Out[0] == nil {
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
		lo, hi, ok := ClipBounds(n)
		if !ok || len(p.args) != 3 || !near(lo, p.args[1].value) || !near(hi, p.args[2].value) {
			return false
		}
		m.nodes = append(m.nodes, n)
		return m.matchValue(p.args[0], n.In[0])
	}
	if p.op == "ReduceMean" {
		if len(n.In) == 0 || n.In[0] == nil || !n.In[0].Known {
			return false
		}
		axes, ok := n.ReduceAxes()
		if !ok || len(axes) == 0 || !axes[len(axes)-1] {
			return false
		}
		for _, on := range axes[:len(axes)-1] {
			if on {
				return false // over the last axis only
			}
		}
		m.nodes = append(m.nodes, n)
		return m.matchValue(p.args[0], n.In[0])
	}
	if len(n.In) != len(p.args) {
		return false
	}
	m.nodes = append(m.nodes, n)
	if len(p.args) == 2 && (p.op == "Add" || p.op == "Mul") {
		try := m.clone()
		if try.matchValue(p.args[0], n.In[0]) && try.matchValue(p.args[1], n.In[1]) {
			*m = *try
			return true
		}
		return m.matchValue(p.args[0], n.In[1]) && m.matchValue(p.args[1], n.In[0])
	}
	for i, a := range p.args {
		if !m.matchValue(a, n.In[i]) {
			return false
		}
	}
	return true
}

func (m *Match) matchValue(p *Pattern, v *Value) bool {
	switch {
	case v == nil:
		return false
	case p.num:
		return v.Constant && v.HasData && len(v.Data) == 1 && near(v.Data[0], p.value)
	case p.op != "":
		return !v.Constant && m.matchNode(p, v.From)
	case p.name == "c" || p.name == "e" || p.name == "b":
		return v.Constant
	}
	if old, ok := m.Vars[p.name]; ok {
		return old == v
	}
	if v.Constant {
		return false
	}
	m.Vars[p.name] = v
	return true
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-3*math.Max(math.Abs(b), 1e-3) }

// ClipBounds are a Clip's limits, of its attributes (opset < 11) or inputs.
func ClipBounds(n *Node) (lo, hi float64, ok bool) {
	lo, hi = math.Inf(-1), math.Inf(1)
	if n.Src != nil && n.Src.Attr("min") != nil {
		lo = float64(n.Src.Float("min", 0))
	}
	if n.Src != nil && n.Src.Attr("max") != nil {
		hi = float64(n.Src.Float("max", 0))
	}
	for i, p := range []*float64{&lo, &hi} {
		if v := n.Input(i + 1); v != nil {
			d, has := n.Data(i + 1)
			if !has || len(d) != 1 {
				return 0, 0, false
			}
			*p = d[0]
		}
	}
	return lo, hi, len(n.In) > 0 && n.In[0] != nil
}

// SetClipBounds gives a Clip other bounds.
func SetClipBounds(n *Node, lo, hi float64) {
	n.In = n.In[:1]
	n.Src = &onnx.Node{Op: n.Op, Name: n.Name, Attrs: []*onnx.Attr{onnx.FloatAttr("min", float32(lo)), onnx.FloatAttr("max", float32(hi))}}
}

// inside reports that what the match swallows is used nowhere else.
func (m *Match) inside(root *Node) bool {
	in := map[*Node]bool{}
	for _, n := range m.nodes {
		in[n] = true
	}
	for _, n := range m.nodes {
		if n == root {
			continue
		}
		for _, v := range n.Out {
			if v == nil {
				continue
			}
			if v.Output {
				return false
			}
			for _, user := range v.To {
				if !in[user] {
					return false
				}
			}
		}
	}
	return true
}

// Find binds a pattern to the nodes that end in root, none of which refuse holds for; nil
// where it does not match, or where something else uses what is inside.
func Find(p *Pattern, root *Node, refuse func(*Node) bool) *Match {
	m := &Match{refuse: refuse, Vars: map[string]*Value{}}
	if !m.matchNode(p, root) || !m.inside(root) {
		return nil
	}
	return m
}

// Root is the operator at the end of the pattern, "" of a variable or a number.
func (p *Pattern) Root() string { return p.op }
