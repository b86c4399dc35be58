package graph

import (
	"fmt"

	"github.com/isocost/isocost/internal/onnx"
)

// Inline returns the nodes of the model's graph, calls of its own functions replaced by
// their bodies, names made unique. Recursion is not allowed in ONNX and ends in an error
// here.
func Inline(m *onnx.Model) ([]*onnx.Node, error) {
	type key struct{ domain, name, overload string }
	funcs := map[key]*onnx.Function{}
	for _, f := range m.Functions {
		funcs[key{f.Domain, f.Name, f.Overload}] = f
	}
	var out []*onnx.Node
	calls := 0
	var expand func(nodes []*onnx.Node, rename func(string) string, attrs func(string) *onnx.Attr, depth int) error
	expand = func(nodes []*onnx.Node, rename func(string) string, attrs func(string) *onnx.Attr, depth int) error {
		if depth > 16 {
			return fmt.Errorf("functions call each other deeper than 16: not a valid model")
		}
		for _, n := range nodes {
			c := &onnx.Node{Name: rename(n.Name), Op: n.Op, Domain: n.Domain, Overload: n.Overload}
			for _, s := range n.Inputs {
				c.Inputs = append(c.Inputs, rename(s))
			}
			for _, s := range n.Outputs {
				c.Outputs = append(c.Outputs, rename(s))
			}
			for _, a := range n.Attrs {
				if a.Ref == "" {
					c.Attrs = append(c.Attrs, a)
				} else if given := attrs(a.Ref); given != nil {
					b := *given
					b.Name, b.Ref = a.Name, ""
					c.Attrs = append(c.Attrs, &b)
				}
			}
			f, ok := funcs[key{n.Domain, n.Op, n.Overload}]
			if !ok {
				if len(out) >= maxInline+len(m.Graph.Nodes) {
					return fmt.Errorf("functions expand to over %d nodes", maxInline)
				}
				out = append(out, c)
				continue
			}
			if calls++; calls > maxInline {
				return fmt.Errorf("over %d function calls", maxInline)
			}
			prefix := fmt.Sprintf("%s#%d/", n.Op, calls)
			bound := map[string]string{"": ""}
			for i, p := range f.Inputs {
				bound[p] = ""
				if i < len(c.Inputs) {
					bound[p] = c.Inputs[i]
				}
			}
			for i, p := range f.Outputs {
				if i < len(c.Outputs) && c.Outputs[i] != "" {
					bound[p] = c.Outputs[i]
				}
			}
			err := expand(f.Nodes, func(s string) string {
				if t, ok := bound[s]; ok {
					return t
				}
				return prefix + s
			}, func(name string) *onnx.Attr {
				if a := c.Attr(name); a != nil {
					return a
				}
				for _, a := range f.Defaults {
					if a.Name == name {
						return a
					}
				}
				return nil
			}, depth+1)
			if err != nil {
				return err
			}
		}
		return nil
	}
	err := expand(m.Graph.Nodes, func(s string) string { return s }, func(string) *onnx.Attr { return nil }, 0)
	return out, err
}
