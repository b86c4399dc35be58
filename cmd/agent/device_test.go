package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/isocost/isocost/internal/golden"
)

// boardTree unpacks a fixture of agent/device.
func boardTree(t *testing.T, file string) string {
	t.Helper()
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := txtar.Write(ar, root); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestDeviceOfEveryBoardFitsThePage(t *testing.T) {
	boards, _ := filepath.Glob("../../agent/device/testdata/*.txtar")
	if len(boards) < 10 {
		t.Fatalf("only %d boards", len(boards))
	}
	for _, file := range boards {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		root := boardTree(t, file)
		out, talk, code := agentMain("", "device", "--sysroot", root)
		if code != 0 || talk != "" {
			t.Fatalf("%s: exit %d, %s", name, code, talk)
		}
		out = strings.ReplaceAll(out, root, "")
		for line := range strings.Lines(out) {
			if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > pageWidth {
				t.Errorf("%s: wider than %d columns: %s", name, pageWidth, line)
			}
		}
		golden.File(t, filepath.Join("testdata", "device", name+".txt"), []byte(out))
	}
}

func TestDeviceJSONSaysTheSame(t *testing.T) {
	root := boardTree(t, "../../agent/device/testdata/pixel-6.txtar")
	out, talk, code := agentMain("", "device", "--sysroot", root, "--json", "--cores", "big")
	if code != 0 {
		t.Fatal(talk)
	}
	var r deviceReport
	dec := json.NewDecoder(strings.NewReader(out))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		t.Fatal(err)
	}
	if r.Format != deviceFormat || r.Identity.Model != "Google Pixel 6" || r.Cores.String() != "6-7" || len(r.Energy) != 2 ||
		r.Verdict.Grade != "poor" || len(r.Absent) == 0 || r.Noise != nil {
		t.Errorf("%+v", r)
	}
}

func TestDeviceHere(t *testing.T) {
	t.Setenv(asProgram, "1") // for the children that load the runtimes
	out, talk, code := agentMain("", "device", "--probe", "600ms", "--json")
	if code != 0 {
		t.Fatal(talk)
	}
	var r deviceReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if r.Noise == nil || r.Noise.Samples < 100 || len(r.Runtimes) == 0 || len(r.ID) != 16 {
		t.Errorf("%+v", r)
	}
	for _, rt := range r.Runtimes {
		if (rt.Version == "") == (rt.Reason == "") {
			t.Errorf("a runtime is neither found nor absent with a reason: %+v", rt)
		}
	}
}

func TestDeviceWrongUse(t *testing.T) {
	empty := t.TempDir()
	for want, args := range map[string][]string{
		"no such file": {"--sysroot", filepath.Join(empty, "none")},
		"holds no CPU": {"--sysroot", empty},
		"no cluster":   {"--cores", "huge"},
		"too short":    {"--probe", "1ms"},
		"unexpected":   {"extra"},
	} {
		out, talk, code := agentMain("", append([]string{"device"}, args...)...)
		if code != 2 || out != "" || !strings.Contains(talk, want) || !strings.Contains(talk, "hint: ") {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", args, code, out, talk)
		}
	}
}
