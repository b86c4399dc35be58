package docstest

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var backquoted = regexp.MustCompile("`([^` ]+)`")

// The README of every testdata folder accounts for each of its files: by name, or by a
// pattern that holds for it. A bullet for files that are gone is an error, too.
func TestTestdataSaysWhereItComesFrom(t *testing.T) {
	entries := map[string]map[string]bool{} // folder → what lies in it
	for _, name := range tracked(t) {
		parts := strings.Split(name, "/")
		for i, part := range parts[:len(parts)-1] {
			if part == "testdata" {
				dir := path.Join(parts[:i+1]...)
				if entries[dir] == nil {
					entries[dir] = map[string]bool{}
				}
				entries[dir][parts[i+1]] = true
				break
			}
		}
	}
	if len(entries) < 8 {
		t.Fatalf("git knows only %d testdata folders", len(entries))
	}
	for dir, names := range entries {
		readme := path.Join(dir, "README.md")
		text, err := os.ReadFile(filepath.Join(root, readme))
		if err != nil {
			t.Errorf("%s has no README.md that says where its files come from", dir)
			continue
		}
		delete(names, "README.md")
		for line := range strings.Lines(string(text)) {
			said, _, isBullet := strings.Cut(line, " – ")
			if !isBullet || !strings.HasPrefix(said, "- ") {
				continue
			}
			for _, m := range backquoted.FindAllStringSubmatch(said, -1) {
				found := false
				for name := range names {
					if ok, err := path.Match(m[1], name); err != nil {
						t.Errorf("%s: %s: %v", readme, m[1], err)
					} else if ok {
						names[name], found = false, true
					}
				}
				if !found {
					t.Errorf("%s names %s: no such file", readme, m[1])
				}
			}
		}
		for name, open := range names {
			if open {
				t.Errorf("%s does not say where %s comes from", readme, name)
			}
		}
	}
}

var ownUpdateFlag = regexp.MustCompile(`flag\.Bool\("update"|Getenv\("UPDATE`)

// Expected output is rewritten in one way: by internal/golden's flag.
func TestOneWayToRewriteExpectedOutput(t *testing.T) {
	users := 0
	for _, name := range tracked(t) {
		if path.Ext(name) != ".go" || strings.HasPrefix(name, "internal/golden/") || strings.HasPrefix(name, "internal/docstest/") {
			continue
		}
		code, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(code), "isocost/internal/golden\"") {
			users++
		}
		if m := ownUpdateFlag.Find(code); m != nil {
			t.Errorf("%s has %s…: internal/golden owns the flag that rewrites expected output", name, m)
		}
	}
	if users < 8 {
		t.Errorf("only %d files use internal/golden", users)
	}
}
