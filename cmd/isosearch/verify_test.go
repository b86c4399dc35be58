package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/search"
)

// TestVerifyAsksATableAgain: a table is asked for every sample; one that says something
// else is found out, by its hash and, were that forged, by its answers.
func TestVerifyAsksATableAgain(t *testing.T) {
	run := filepath.Join(t.TempDir(), "run")
	searchOf(t, run)
	code, stdout, stderr := isosearch("verify", run)
	if code != 0 || !strings.Contains(stdout, "asked again  ") {
		t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
	}
	// The noise that the evaluator's name promises is the noise the samples have.
	tables := search.EvaluatorTable(run)
	data, err := os.ReadFile(tables)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(tables, bytes.Replace(data, []byte(`"utility":[`), []byte(`"utility":[9`), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr = isosearch("verify", run); code != 1 || !strings.Contains(stderr, "the one at hand is") {
		t.Errorf("another table: exit code %d, %s", code, stderr)
	}
	if err := os.WriteFile(tables, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr = isosearch("verify", run, "--ask", "3", "--evaluator", "table:"+tables+",noise=7"); code != 1 || !strings.Contains(stderr, "asked again the evaluator says") {
		t.Errorf("other noise under the same hash: exit code %d, %s", code, stderr)
	}
}

// An outside evaluator is asked when that is wanted.
func TestVerifyAsksAProgramAgain(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	// The utility is the seed's last digits: noise, and the same when asked again.
	script := `while read line; do
  id=$(echo "$line" | sed 's/.*"id":"\([^"]*\)".*/\1/'); seed=$(echo "$line" | sed 's/.*"seed":[0-9]*\([0-9][0-9][0-9]\)[,}].*/\1/')
  echo "training"; echo "{\"id\":\"$id\",\"utility\":1$seed}"
done
`
	if err := os.WriteFile("train.sh", []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	table := tabular(t, dir)
	code, stdout, stderr := isosearch("run", "--space", table, "--lut", "space:us", "--evaluator", "exec:sh train.sh", "--epsilon", "500", "--sigma", "300", "--explore", "random:6", "--budget", "40", "-o", "run")
	if code != 0 && code != 3 || strings.Count(stderr, "standard error") != 1 {
		t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
	}
	if log, err := os.ReadFile(filepath.Join("run", evaluatorLog)); err != nil || !strings.HasPrefix(string(log), "training\ntraining\n") {
		t.Errorf("the log: %v, %q", err, log)
	}
	if code, stdout, stderr = isosearch("verify", "run", "--ask", "5"); code != 0 || !strings.Contains(stdout, "asked again  5 samples") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	if err := os.WriteFile("train.sh", []byte(script+"#\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr = isosearch("verify", "run", "--ask", "5"); code != 1 || !strings.Contains(stderr, "the one at hand is") {
		t.Errorf("another program: exit code %d: %s", code, stderr)
	}
}
