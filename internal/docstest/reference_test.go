// Package docstest keeps the documents true: what they show is what the commands
// say and do.
package docstest

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/isocost/isocost/internal/golden"
)

var programs = []string{"agent", "costgen", "isosearch"}

// root is the repository's folder.
var root = filepath.Join("..", "..")

// scratch is a folder of this run that the tests share: the programs, the example files.
var scratch string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "docstest")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		scratch = dir
		return m.Run()
	}())
}

// bin is the folder of the three commands, built when a test first wants them. Tests that
// want none read the documents alone and are quick.
func bin(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and runs the commands")
	}
	dir, err := buildPrograms()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var buildPrograms = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(scratch, "bin")
	for _, p := range programs {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, p), "./cmd/"+p)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("go build ./cmd/%s: %w\n%s", p, err, out)
		}
	}
	return dir, nil
})

const referenceHead = "# Reference\n\nEvery command with its flags, as `-h` prints them. Made by\n`go test ./internal/docstest -run Reference -update`; the same test without `-update` fails when this page is old.\n\n"

func TestReferenceIsCurrent(t *testing.T) {
	var want bytes.Buffer
	want.WriteString(referenceHead)
	for _, p := range programs {
		out, err := exec.Command(filepath.Join(bin(t), p), "reference").Output()
		if err != nil {
			t.Fatalf("%s reference: %v", p, err)
		}
		want.Write(out)
		want.WriteByte('\n')
	}
	text := bytes.TrimRight(want.Bytes(), "\n")
	text = append(text, '\n')
	file := filepath.Join(root, "docs", "reference.md")
	golden.File(t, file, text)
}

// Every subcommand explains itself: a sentence, an example that names the
// command, exit codes.
func TestEveryCommandHasHelp(t *testing.T) {
	for _, p := range programs {
		for _, name := range subcommands(t, p) {
			help, err := exec.Command(filepath.Join(bin(t), p), name, "-h").Output()
			if err != nil {
				t.Errorf("%s %s -h: %v", p, name, err)
			}
			for _, part := range []string{p + " " + name + ": ", "\nExample:\n", p + " " + name, "Exit codes:"} {
				if !strings.Contains(string(help), part) {
					t.Errorf("%s %s -h lacks %q", p, name, part)
				}
			}
		}
	}
}
