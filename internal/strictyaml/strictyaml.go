// Package strictyaml says in words of the file, not of Go, why YAML is not what was
// meant, and on which line.
package strictyaml

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Problem is one thing that is wrong.
type Problem struct {
	Line int // 1-based; 0 when it is not known
	Text string
}

// At is the problem after the file's name and the line.
func (p Problem) At(name string) string {
	if p.Line == 0 {
		return name + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", name, p.Line, p.Text)
}

var (
	onLine  = regexp.MustCompile(`(?s)^(.*?)line (\d+): (.*)$`)
	unknown = regexp.MustCompile(`field (\S+) not found in type \S+`)
	kind    = regexp.MustCompile("cannot unmarshal !!(\\w+)(?: `([^`]*)`)? into (\\S+)")
)

// Problems are those of an error that the yaml package returned.
func Problems(err error) []Problem {
	texts := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	var several *yaml.TypeError
	switch {
	case errors.As(err, &several):
		texts = several.Errors
	case errors.Is(err, io.EOF):
		texts = []string{"the file is empty"}
	}
	var out []Problem
	for _, t := range texts {
		p := Problem{Text: t}
		if m := onLine.FindStringSubmatch(t); m != nil {
			p.Line, _ = strconv.Atoi(m[2]) // digits
			p.Text = m[1] + m[3]
		}
		p.Text = unknown.ReplaceAllString(p.Text, `unknown field "$1"`)
		if m := kind.FindStringSubmatchIndex(p.Text); m != nil {
			g := kind.FindStringSubmatch(p.Text)
			p.Text = p.Text[:m[0]] + found(g[1], g[2]) + " where " + wanted(g[3]) + " belongs" + p.Text[m[1]:]
		}
		out = append(out, p)
	}
	return out
}

// found names what stands in the file: a tag of YAML and the text of a scalar.
func found(tag, text string) string {
	switch tag {
	case "seq":
		return "a list"
	case "map":
		return "a mapping"
	case "null":
		return "nothing"
	}
	return "`" + text + "`"
}

// wanted names a Go type as reflect prints it.
func wanted(typ string) string {
	typ = strings.TrimPrefix(typ, "*")
	switch {
	case strings.HasPrefix(typ, "int"), strings.HasPrefix(typ, "uint"):
		return "a whole number"
	case strings.HasPrefix(typ, "float"):
		return "a number"
	case typ == "bool":
		return "true or false"
	case typ == "string":
		return "text"
	case strings.HasPrefix(typ, "["):
		return "a list"
	}
	return "a mapping"
}

// Fractions are the numbers with a fraction where v, a pointer to what the text was
// decoded into, takes whole ones: the yaml package cuts the fraction off and says
// nothing.
func Fractions(data []byte, v any) []Problem {
	var root yaml.Node
	if yaml.Unmarshal(data, &root) != nil || len(root.Content) == 0 {
		return nil
	}
	return fractions(root.Content[0], reflect.TypeOf(v).Elem(), "", 0)
}

func fractions(n *yaml.Node, t reflect.Type, field string, depth int) []Problem {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if depth > 64 { // deeper than any format of ours
		return nil
	}
	var out []Problem
	switch {
	case n.Kind == yaml.ScalarNode && t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		if f, err := strconv.ParseFloat(n.Value, 64); n.Tag == "!!float" && err == nil && f != float64(int64(f)) {
			out = append(out, Problem{n.Line, fmt.Sprintf("%s: %s where a whole number belongs", field, n.Value)})
		}
	case n.Kind == yaml.SequenceNode && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array):
		for _, c := range n.Content {
			out = append(out, fractions(c, t.Elem(), field, depth+1)...)
		}
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			var inner reflect.Type
			switch t.Kind() {
			case reflect.Map:
				inner = t.Elem()
			case reflect.Struct:
				for j := range t.NumField() {
					name, _, _ := strings.Cut(t.Field(j).Tag.Get("yaml"), ",")
					if name == "" {
						name = strings.ToLower(t.Field(j).Name)
					}
					if name == key {
						inner = t.Field(j).Type
					}
				}
			}
			if inner != nil {
				out = append(out, fractions(n.Content[i+1], inner, strings.TrimPrefix(field+"."+key, "."), depth+1)...)
			}
		}
	}
	return out
}
