package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
)

// engines write, compute or frame any operator by its definition. They name none: what is
// true of one operator alone stands in its file, or its change would be looked for here.
var engines = []string{
	"benchmarks/graph", "benchmarks/onnxwriter", "benchmarks/tflitewriter", "benchmarks/reference", "benchmarks/tfgraph", "agent/tensorflow",
	"benchmarks", // the files that define nothing
}

// TestEnginesNameNoOperator: no text in an engine's code is the name of a kind or of an
// operator of the graph. The files of the catalogue that define operators may; they are
// known by their calls of define and defineOperator, or by their entries.
func TestEnginesNameNoOperator(t *testing.T) {
	names := operatorNames(t)
	for _, engine := range engines {
		files, err := filepath.Glob(filepath.Join("../..", engine, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		checked := 0
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			found, defines := operatorsNamed(t, path, text, names)
			if defines {
				continue
			}
			checked++
			for _, f := range found {
				if !slices.Contains(homonyms, engine+" "+f.name) {
					t.Errorf("%s names the operator %q; engines ask an operator's definition (benchmarks/doc.go says how)", f.at, f.name)
				}
			}
		}
		if checked == 0 {
			t.Errorf("%s holds no engine's file: a law that checks nothing is not a law", engine)
		}
	}
}

// homonyms are texts that mean something else: the bounds of a FakeQuant operation.
var homonyms = []string{"agent/tensorflow min", "agent/tensorflow max"}

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
