package graph

import (
	"fmt"

	"github.com/isocost/isocost/internal/onnx"
)

// Inline returns the nodes of the model's graph, calls of its own functions replaced by what
// they consist of, in the bodies of an If, a Loop or a Scan as well, names made unique.
// Recursion is not allowed in ONNX and ends in an error here.
func Inline(m *onnx.Model) ([]*onnx.Node, error) {
	type key struct{ domain, name, overload string }
	funcs := map[key]*onnx.Function{}
	for _, f := range m.Functions {
		funcs[key{f.Domain, f.Name, f.Overload}] = f
	}
	made, calls := 0, 0
	var expand func(nodes []*onnx.Node, rename func(string) string, attrs func(string) *onnx.Attr, depth int) ([]*onnx.Node, error)
	// body is a body of a node, where functions may be called as well.
	body := func(b *onnx.Graph, rename func(string) string, attrs func(string) *onnx.Attr, depth int) (*onnx.Graph, error) {
		c := *b
		c.Inputs, c.Outputs, c.Initializers = named(b.Inputs, rename), named(b.Outputs, rename), nil
		for _, t := range b.Initializers {
			u := *t
			u.Name = rename(t.Name)
			c.Initializers = append(c.Initializers, &u)
		}
		var err error
		c.Nodes, err = expand(b.Nodes, rename, attrs, depth+1)
		return &c, err
	}
	expand = func(nodes []*onnx.Node, rename func(string) string, attrs func(string) *onnx.Attr, depth int) (out []*onnx.Node, err error) {
		if depth > maxNested {
			return nil, fmt.Errorf("functions and bodies stand in each other deeper than %d: not a valid model", maxNested)
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
				switch given := attrs(a.Ref); {
				case a.Ref == "" && a.G != nil:
					b := *a
					if b.G, err = body(a.G, rename, attrs, depth); err != nil {
						return nil, err
					}
					c.Attrs = append(c.Attrs, &b)
				case a.Ref == "":
					c.Attrs = append(c.Attrs, a)
				case given != nil:
					b := *given
					b.Name, b.Ref = a.Name, ""
					c.Attrs = append(c.Attrs, &b)
				}
			}
			f, ok := funcs[key{n.Domain, n.Op, n.Overload}]
			if !ok {
				if made++; made > maxInline+maxNodes {
					return nil, fmt.Errorf("functions expand to over %d nodes", maxInline)
				}
				out = append(out, c)
				continue
			}
			if calls++; calls > maxInline {
				return nil, fmt.Errorf("over %d function calls", maxInline)
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
			called, err := expand(f.Nodes, func(s string) string {
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
				return nil, err
			}
			out = append(out, called...)
		}
		return out, nil
	}
	return expand(m.Graph.Nodes, func(s string) string { return s }, func(string) *onnx.Attr { return nil }, 0)
}

// named are values under other names.
func named(values []*onnx.ValueInfo, rename func(string) string) (all []*onnx.ValueInfo) {
	for _, v := range values {
		c := *v
		c.Name = rename(v.Name)
		all = append(all, &c)
	}
	return all
}
