// Package archtest keeps the import laws of docs/architecture.md.
package archtest

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/isocost/isocost/"

type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
	CgoFiles   []string
}

func list(t *testing.T, env ...string) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,Deps,CgoFiles", module+"...")
	cmd.Env = append(cmd.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	pkgs := map[string]pkg{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs[p.ImportPath] = p
	}
}

func own(pkgs map[string]pkg) []pkg {
	var out []pkg
	for path, p := range pkgs {
		if strings.HasPrefix(path, module) {
			out = append(out, p)
		}
	}
	if len(out) < 5 {
		panic("archtest sees no packages: a law that checks nothing is not a law")
	}
	return out
}

func in(path string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool {
		return path == module+f || strings.HasPrefix(path, module+f+"/")
	})
}

func TestLutImportsOnlyTheStandardLibrary(t *testing.T) {
	pkgs := list(t)
	for _, dep := range pkgs[module+"lut"].Deps {
		if !pkgs[dep].Standard {
			t.Errorf("lut imports %s; other programs embed lut, so it may import only the standard library", dep)
		}
	}
}

// cgoHomes may use cgo; only cmd/agent may reach them.
var cgoHomes = []string{"agent/ort", "agent/tflite", "agent/tensorflow", "agent/device/nvml"}

func TestCgoStaysInTheAdapters(t *testing.T) {
	for _, p := range own(list(t, "CGO_ENABLED=1")) {
		if len(p.CgoFiles) > 0 && !in(p.ImportPath, cgoHomes...) {
			t.Errorf("%s uses cgo (%v); only %v may, so that everything else cross-compiles", p.ImportPath, p.CgoFiles, cgoHomes)
		}
		for _, dep := range p.Imports {
			if in(dep, cgoHomes...) && !in(p.ImportPath, append(cgoHomes, "cmd/agent")...) {
				t.Errorf("%s imports %s; only cmd/agent may reach the native runtimes", p.ImportPath, dep)
			}
		}
	}
}

func TestTablesAndSearchesNeverImportTheAgent(t *testing.T) {
	for _, p := range own(list(t)) {
		if !in(p.ImportPath, "costgen", "search", "report", "lut", "record", "benchmarks", "cmd/costgen") {
			continue
		}
		for _, dep := range p.Deps {
			if in(dep, "agent") {
				t.Errorf("%s depends on %s; tables and searches run where no device is", p.ImportPath, dep)
			}
		}
	}
}

func TestNothingImportsCmd(t *testing.T) {
	for _, p := range own(list(t)) {
		for _, dep := range p.Imports {
			if in(dep, "cmd") {
				t.Errorf("%s imports %s; commands are wiring, nothing builds on them", p.ImportPath, dep)
			}
		}
	}
}

// mayImport is the table of docs/architecture.md for the pipeline's folders: each
// may import these of our own packages, besides itself and internal/.
var mayImport = map[string][]string{
	"benchmarks":   {"lut"},
	"record":       {"lut", "benchmarks/role"},
	"agent":        {"benchmarks", "record", "lut"},
	"agent/device": {},
	"lut":          {},
	"costgen":      {"record", "lut", "benchmarks"},
	"search":       {"lut", "benchmarks"},
	"report":       {"record", "lut", "search", "costgen"},
}

func TestFoldersFollowThePipeline(t *testing.T) {
	for _, p := range own(list(t)) {
		home := ""
		for folder := range mayImport {
			if in(p.ImportPath, folder) && len(folder) > len(home) {
				home = folder
			}
		}
		if home == "" {
			continue
		}
		for _, dep := range p.Imports {
			if !strings.HasPrefix(dep, module) || in(dep, "internal", home) || in(dep, mayImport[home]...) {
				continue
			}
			t.Errorf("%s imports %s; the folders are the pipeline, and %s may import only %v", p.ImportPath, dep, home, mayImport[home])
		}
	}
}
