package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/isocost/isocost/agent/device"
	"github.com/isocost/isocost/internal/golden"
	"github.com/isocost/isocost/lut"
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
		"no such file":     {"--sysroot", filepath.Join(empty, "none")},
		"holds no CPU":     {"--sysroot", empty},
		"is not a cluster": {"--cores", "huge"},
		"too short":        {"--probe", "1ms"},
		"unexpected":       {"extra"},
	} {
		out, talk, code := agentMain("", append([]string{"device"}, args...)...)
		if code != 2 || out != "" || !strings.Contains(talk, want) || !strings.Contains(talk, "hint: ") {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", args, code, out, talk)
		}
	}
}

// TestAnAffinityMaskIsACoreSet: under taskset -c 0 records carry the device of core 0, as
// with --cores 0, not that of all cores.
func TestAnAffinityMaskIsACoreSet(t *testing.T) {
	identify := func(status, cores string) (lut.Device, error) {
		root := boardTree(t, "../../agent/device/testdata/x86-server.txtar")
		if status != "" {
			path := filepath.Join(root, "proc/self/status")
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(status), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		d, err := device.Open(root)
		if err != nil {
			t.Fatal(err)
		}
		dev, _, err := thisDevice(d, cores)
		return dev, err
	}
	all, err1 := identify("", "")
	named, err2 := identify("", "0")
	masked, err3 := identify("Cpus_allowed_list:\t0\n", "")
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if masked != named || masked.ID == all.ID || masked.Cores != "0" {
		t.Errorf("masked %+v, --cores 0 %+v, all %+v", masked, named, all)
	}
}

func TestCrowdedThreadsAreSaid(t *testing.T) {
	third := 0.3
	for _, c := range []struct {
		threads int
		cores   device.CoreSet
		quota   *float64
		want    string
	}{
		{2, device.CoreSet{0, 1}, nil, ""},
		{3, device.CoreSet{0, 1}, nil, "3 threads"},
		{1, device.CoreSet{0, 1}, &third, "0.3 CPUs"},
	} {
		if got := crowded(c.threads, c.cores, c.quota); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%d threads on %s: %q, want %q in it", c.threads, c.cores, got, c.want)
		}
	}
}
