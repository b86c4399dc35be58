package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"slices"
	"strconv"
	"testing"

	"github.com/isocost/isocost/benchmarks"
)

// naming holds the files outside the catalogue that may name its operators, each with its
// reason. Everywhere else – writers, oracle, frames, readers, campaigns, tables, searches –
// a property of an operator is asked of its definition, or its change would be looked for
// in many places.
var naming = map[string]string{
	"benchmarks/gpudelegate/gpudelegate.go": "what TensorFlow Lite's GPU delegate does with an operator",
	"benchmarks/litertmodel/operators.go":   "what LiteRT does with an operator",
	"benchmarks/ortmodel/kinds.go":          "what ONNX Runtime does with a kind",
	"benchmarks/ortmodel/operators.go":      "what ONNX Runtime does with an operator",
	"agent/sidebyside/networks.go":          "networks written down as keys",
	"agent/probe/once.go":                   "the operator that a provider is tried with",
	"benchmarks/modulespace/example.go":     "networks written down as keys",
	"costgen/devicemodel/features.go":       "the groups of kernels that a fitted model has",
	"costgen/devicemodel/work.go":           "work by formula, where building an operator's graph is too slow for a search",
	"costgen/exchange/fbnet.go":             "the operators of a published table",
	"costgen/exchange/mobileml.go":          "the operators of published measurements",
	"costgen/exchange/ofa.go":               "the operators of a published table",
	"costgen/exchange/tfnas.go":             "the operators of a published table",
	"search/space/spec.go":                  "the layers of a space, which it lowers to keys",
	"search/space/unit.go":                  "the layers of a space, which it lowers to keys",
}

// homonyms are texts that mean something else.
var homonyms = map[string]string{
	"agent/ort/tiny.go add":                        "a node's name",
	"agent/protocol.go min":                        "an estimator",
	"agent/tensorflow/quantised.go max":            "a bound of FakeQuant",
	"agent/tensorflow/quantised.go min":            "a bound of FakeQuant",
	"benchmarks/litertmodel/movement.go linear":    "an interpolation",
	"benchmarks/ortmodel/fusions.go silu":          "a fusion's title",
	"benchmarks/ortmodel/price_movement.go linear": "an interpolation",
	"costgen/print.go max":                         "a column's title",
	"internal/onnx/graph/pattern.go max":           "an attribute of Clip",
	"internal/onnx/graph/pattern.go min":           "an attribute of Clip",
	"internal/onnx/graph/shapes.go split":          "an attribute of Split",
	"report/learned.go min":                        "minutes",
	"search/evaluator/trainingfree.go mean":        "a node's name",
}

// TestEnginesNameNoOperator: no text in the code is the name of a kind or of an operator of
// the graph, but where it is defined, in a runtime's table and in what is data. Files that
// define operators are known by their calls of define and defineOperator, or by their entries.
func TestEnginesNameNoOperator(t *testing.T) {
	names := operatorNames(t)
	checked, used := 0, map[string]bool{}
	for name, text := range sources(t) {
		found, defines := operatorsNamed(t, name, text, names)
		if defines {
			continue
		}
		checked++
		for _, f := range found {
			reason, folder := name, path.Dir(name)
			switch {
			case naming[reason] != "":
			case naming[folder] != "":
				reason = folder
			default:
				reason = name + " " + f.name
			}
			used[reason] = true
			if naming[reason] == "" && homonyms[reason] == "" {
				t.Errorf("%s names the operator %q; engines ask an operator's definition (benchmarks/doc.go says how)", f.at, f.name)
			}
		}
	}
	if checked < 300 {
		t.Errorf("only %d files: a law that checks nothing is not a law", checked)
	}
	for _, exceptions := range []map[string]string{naming, homonyms} {
		for name := range exceptions {
			if !used[name] {
				t.Errorf("%s names no operator: take its exception out", name)
			}
		}
	}
}

// named is a place where a text is an operator's name.
type named struct{ at, name string }

func operatorNames(t *testing.T) map[string]bool {
	names := map[string]bool{}
	for _, name := range slices.Concat(benchmarks.Kinds(), benchmarks.Operators()) {
		names[name] = true
	}
	if len(names) < 60 {
		t.Fatalf("only %d operators: %v", len(names), slices.Sorted(maps.Keys(names)))
	}
	return names
}

// operatorsNamed are the places of a file where a text is an operator's name. defines says
// that the file is an operator's own.
func operatorsNamed(t *testing.T, path string, text []byte, names map[string]bool) (found []named, defines bool) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, text, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "define" || f.Name == "defineOperator") && len(n.Args) == 1 {
				if _, literal := n.Args[0].(*ast.CompositeLit); literal {
					defines = true
				}
			}
		case *ast.ValueSpec: // the lists of entries
			for _, name := range n.Names {
				defines = defines || name.Name == "functions" || name.Name == "pairs"
			}
		case *ast.BasicLit:
			if n.Kind != token.STRING {
				return true
			}
			if s, err := strconv.Unquote(n.Value); err == nil && names[s] {
				found = append(found, named{fset.Position(n.Pos()).String(), s})
			}
		}
		return true
	})
	return found, defines
}

// Negative control: a name is found where it stands, in an engine alone.
func TestOperatorNamesAreFound(t *testing.T) {
	names := map[string]bool{"elu": true, "matmul": true}
	engine := "package p\n\nfunc f(op string) bool {\n\tswitch op {\n\tcase \"relu7\", \"elu\":\n\t\treturn true\n\t}\n\treturn op == `matmul`\n}\n"
	found, defines := operatorsNamed(t, "engine.go", []byte(engine), names)
	want := []named{{"engine.go:5:16", "elu"}, {"engine.go:8:15", "matmul"}}
	if defines || !slices.Equal(found, want) {
		t.Errorf("found %v (defines: %v), want %v", found, defines, want)
	}
	own := "package p\n\nfunc init() { define(kind{name: \"elu\"}) }\n"
	if _, defines := operatorsNamed(t, "elu.go", []byte(own), names); !defines {
		t.Error("an operator's own file is taken for an engine's")
	}
}
