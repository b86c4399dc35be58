// Package golden owns the one flag that rewrites expected output:
//
//	go test ./PKG -update
//
// A test that compares with a file of the repository compares by File, or asks Update
// where only part of a file is its own. `make golden` rewrites all of them: it runs the
// tests of every package that imports this one. What was rewritten is reviewed like code.
package golden

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "Rewrite the expected output instead of comparing with it.")

// Update reports whether expected output is being rewritten.
func Update() bool { return *update }

// File fails the test unless the file holds exactly got; with -update it writes got first.
func File(t testing.TB, path string, got []byte) {
	t.Helper()
	if *update {
		Write(t, path, got)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if !bytes.Equal(got, want) {
		line, g, w := firstDifference(got, want)
		t.Errorf("%s:%d differs (go test -update rewrites it)\n got %q\nwant %q\nall of it:\n%s", path, line, g, w, got)
	}
}

// Write writes expected output, with its folder where that does not exist yet.
func Write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// firstDifference is the first line, counted from 1, in which two texts differ, in both.
func firstDifference(a, b []byte) (line int, inA, inB []byte) {
	as, bs := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for line < len(as) && line < len(bs) && bytes.Equal(as[line], bs[line]) {
		line++
	}
	if line < len(as) {
		inA = as[line]
	}
	if line < len(bs) {
		inB = bs[line]
	}
	return line + 1, inA, inB
}
