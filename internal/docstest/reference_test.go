// Package docstest keeps the documents true: what they show is what the commands
// say and do.
package docstest

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the documents from the commands")

var programs = []string{"agent", "costgen", "isosearch"}

// root is the repository's folder.
var root = filepath.Join("..", "..")

// bin holds the three commands, built once; beside it lies what else the tests share.
var bin string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "docstest")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		bin = filepath.Join(dir, "bin")
		for _, p := range programs {
			cmd := exec.Command("go", "build", "-o", filepath.Join(bin, p), "./cmd/"+p)
			cmd.Dir = root
			if out, err := cmd.CombinedOutput(); err != nil {
				os.Stderr.Write(out)
				panic(err)
			}
		}
		return m.Run()
	}())
}

const referenceHead = "# Reference\n\nEvery command with its flags, as `-h` prints them. Made by\n`go test ./internal/docstest -run Reference -update`; the same test without `-update` fails when this page is old.\n\n"

func TestReferenceIsCurrent(t *testing.T) {
	var want bytes.Buffer
	want.WriteString(referenceHead)
	for _, p := range programs {
		out, err := exec.Command(filepath.Join(bin, p), "reference").Output()
		if err != nil {
			t.Fatalf("%s reference: %v", p, err)
		}
		want.Write(out)
		want.WriteByte('\n')
	}
	text := bytes.TrimRight(want.Bytes(), "\n")
	text = append(text, '\n')
	file := filepath.Join(root, "docs", "reference.md")
	if *update {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, text) {
		t.Errorf("%s is not what the commands say; run go test ./internal/docstest -run Reference -update", file)
	}
}

// Every subcommand explains itself: a sentence, an example that names the
// command, exit codes.
func TestEveryCommandHasHelp(t *testing.T) {
	for _, p := range programs {
		for _, name := range subcommands(t, p) {
			help, err := exec.Command(filepath.Join(bin, p), name, "-h").Output()
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
