package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Where a table has no interval a prediction has none either: not one of width 0.
func TestPredictWithoutIntervals(t *testing.T) {
	dir := t.TempDir()
	const linear, gap = "linear/fp32@cin=32,cout=10,m=1", "gap/fp32@c=32,h=8,w=8"
	model, csv, table := filepath.Join(dir, "net.onnx"), filepath.Join(dir, "t.csv"), filepath.Join(dir, "t.lut.json")
	batchModel(t, model, 1, gap, linear)
	for _, test := range []struct {
		csv      string
		interval bool
	}{
		{"key,us\n\"" + gap + "\",20\n\"" + linear + "\",10\n", false},
		{"key,us,lo_us,hi_us,n\n\"" + gap + "\",20,19,21,9\n\"" + linear + "\",10,10,10,9\n", false},
		{"key,us,lo_us,hi_us,n\n\"" + gap + "\",20,19,21,9\n\"" + linear + "\",10,9,11,9\n", true},
	} {
		if err := os.WriteFile(csv, []byte(test.csv), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, stderr, code := run("import", "--from", "csv", csv, "-o", table); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		stdout, stderr, code := run("predict", "--lut", table, model)
		if code != 0 || !strings.Contains(stdout, "net.onnx: 30 us, ") || strings.Contains(stdout, "95 % between") != test.interval || strings.Contains(stdout, "no interval") == test.interval || strings.Contains(stdout, "±?") == test.interval {
			t.Errorf("exit %d: %s%s", code, stdout, stderr)
		}
		var got struct {
			Lo *float64 `json:"lo_us"`
			Hi *float64 `json:"hi_us"`
		}
		stdout, _, _ = run("predict", "--lut", table, "--json", model)
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || (got.Lo != nil) != test.interval || (got.Hi != nil) != test.interval {
			t.Errorf("%v: %s", err, stdout)
		}
	}
}

// Where a cell has no interval, inspect names none and diff tells no significance.
func TestCellsWithoutIntervals(t *testing.T) {
	dir := t.TempDir()
	table := func(name, us string) string {
		csv, path := filepath.Join(dir, name+".csv"), filepath.Join(dir, name+".lut.json")
		text := "key,us,lo_us,hi_us,n\n\"gap/fp32@c=32,h=8,w=8\"," + us + "\n\"linear/fp32@cin=32,cout=10,m=1\",5,4.9,5.1,9\n"
		if err := os.WriteFile(csv, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, stderr, code := run("import", "--from", "csv", csv, "-o", path); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		return path
	}
	old, other := table("old", "20,20,20,9"), table("new", "10,9.9,10.1,9")
	if stdout, _, code := run("inspect", old, "--cells", "gap"); code != 0 || !strings.Contains(stdout, "(raw 20, no interval, imported, n=9)") {
		t.Errorf("exit %d: %s", code, stdout)
	}
	if stdout, _, code := run("inspect", old, "--cells", "gap", "--json"); code != 0 || !strings.Contains(stdout, `"lo": null`) {
		t.Errorf("exit %d: %s", code, stdout)
	}
	stdout, _, code := run("diff", "--cells", old, other)
	if code != 0 || !strings.Contains(stdout, "20 ±  ?    10 ±  1%  -50.00% (p=? n=1)") || !strings.Contains(stdout, "~ (p=1.000 n=1)") {
		t.Errorf("exit %d: %s", code, stdout)
	}
	if stdout, _, code := run("diff", "--json", old, other); code != 0 || !strings.Contains(stdout, `"old_half": null`) || strings.Contains(stdout, `"significant": true`) {
		t.Errorf("exit %d: %s", code, stdout)
	}
}
