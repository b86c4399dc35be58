package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// lenient are the files that read JSON without internal/strictjson, each with its reason.
var lenient = map[string]string{
	"internal/strictjson/strictjson.go":     "it is the strict decoder",
	"lut/format.go":                         "lut imports the standard library alone; its bytes are compared with their canonical form",
	"agent/ort/profile.go":                  "a profile of ONNX Runtime, whose fields are its own",
	"costgen/exchange/fbnet.go":             "a published table",
	"costgen/exchange/tfnas.go":             "a published table",
	"internal/agentprogram/agentprogram.go": "a part of what agent bench --json reports",
	"search/measure/agent.go":               "a part of what agent bench --json reports",
	"search/journal.go":                     "two values that were read strictly, compared field by field",
	"agent/target/job_unix.go":              "who holds a lock, told while it is being written",
	"benchmarks/kernelfile/kernelfile.go":   "the first field of a file that may be of any kind",
}

// TestJSONIsReadStrictly: one decoder, whose errors have lines, reads our own formats.
func TestJSONIsReadStrictly(t *testing.T) {
	reads := regexp.MustCompile(`\bjson\.(Unmarshal|NewDecoder)\(`)
	seen, found := 0, []string{}
	for name, text := range sources(t) {
		seen++
		if reads.Match(text) {
			found = append(found, name)
		}
	}
	if seen < 100 {
		t.Fatalf("only %d files: a law that checks nothing is not a law", seen)
	}
	for _, name := range found {
		if lenient[name] == "" {
			t.Errorf("%s reads JSON by encoding/json, which takes unknown, duplicate and misspelt fields: use internal/strictjson, or say here why not", name)
		}
	}
	for name := range lenient {
		if !slices.Contains(found, name) {
			t.Errorf("%s reads no JSON by encoding/json: take its exception out", name)
		}
	}
}

// sources are our own Go files other than tests: the path from the root and the text.
func sources(t *testing.T) map[string][]byte {
	t.Helper()
	root := filepath.Join("..", "..")
	files := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		files[filepath.ToSlash(name)] = text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
