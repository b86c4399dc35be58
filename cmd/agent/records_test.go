package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/record"
)

// TestRecordsRecovers: a record file in which a digit changed is named with its line by
// whatever reads it, and what is whole of it can be had.
func TestRecordsRecovers(t *testing.T) {
	dir := t.TempDir()
	plan, rec, whole := filepath.Join(dir, "plan.jsonl"), filepath.Join(dir, "rec.jsonl"), filepath.Join(dir, "whole.jsonl")
	if code, _, talk := runAgent(t, "plan", "--family", "relu", "-o", plan); code != 0 {
		t.Fatal(talk)
	}
	bench := func() (int, string) {
		code, _, talk := runAgent(t, "bench", "--plan", plan, "--backend", "sim", "--sim-device", "../../examples/sim-device.yaml", "-o", rec)
		return code, talk
	}
	if code, talk := bench(); code != 0 {
		t.Fatal(talk)
	}
	if code, out, _ := runAgent(t, "records", rec); code != 0 || !strings.Contains(out, "whole: ") {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, _, _ := runAgent(t, "records", "--recover", rec, "-o", whole); code != 2 {
		t.Errorf("a whole file was recovered: exit %d", code)
	}
	data, err := os.ReadFile(rec)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte(`"estimate_us":`)) + len(`"estimate_us":`)
	data[at] = '1' + (data[at]-'0')%9
	if err := os.WriteFile(rec, data, 0o666); err != nil {
		t.Fatal(err)
	}
	line := ":" + fmt.Sprint(1+bytes.Count(data[:at], []byte("\n"))) + ": "
	if code, talk := bench(); code != 1 || !strings.Contains(talk, rec+line) || !strings.Contains(talk, "agent records --recover") {
		t.Errorf("bench continues a changed file: exit %d, %s", code, talk)
	}
	if code, _, talk := runAgent(t, "records", rec); code != 1 || !strings.Contains(talk, rec+line) {
		t.Errorf("exit %d: %s", code, talk)
	}
	if code, out, talk := runAgent(t, "records", "--recover", rec, "-o", whole); code != 0 || !strings.Contains(out, " lines lost, ") {
		t.Errorf("exit %d: %s%s", code, out, talk)
	}
	files, err := record.Read(whole)
	if err != nil {
		t.Fatal(err)
	}
	if f := files[0]; f.End == nil || f.End.Cases != len(f.Records) || len(f.Records) == 0 || f.Header.Flags["recovered"] == "" {
		t.Errorf("recovered %d records, end %+v, flags %v", len(f.Records), f.End, f.Header.Flags)
	}
	for _, args := range [][]string{{"records"}, {"records", "--recover", rec}, {"records", rec, "-o", whole}, {"records", "--recover", rec, "-o", rec}} {
		if code, _, talk := runAgent(t, args...); code != 2 {
			t.Errorf("%v: exit %d: %s", args, code, talk)
		}
	}
}
