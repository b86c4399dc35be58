package docstest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shorter are the sizes of a study in its short form.
var shorter = []struct{ field, to string }{
	{`random_anchors: .*`, "random_anchors: 1"},
	{`seeds: .*`, "seeds: [1]"},
	{`budget: .*`, "budget: 24"},
	{`fresh: .*`, "fresh: 2"},
}

// Every study of NAS-Bench-Macro runs, with few and short searches on a made-up benchmark, by
// the script that makes its page: a study file, a script or a table that has rotten is found
// before hours are spent on it.
func TestStudiesOfABenchmarkRun(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Fatal(err)
	}
	programs, err := filepath.Abs(bin(t))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, part := range []string{"scripts", "examples/nas-bench-macro"} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(root, part))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(programs, filepath.Join(dir, "bin")); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"docs/results", "studies"} {
		if err := os.MkdirAll(filepath.Join(dir, part), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	studies, err := filepath.Glob(filepath.Join(root, "studies", "nas-bench-macro*.yaml"))
	if err != nil || len(studies) < 8 {
		t.Fatalf("%d studies, %v", len(studies), err)
	}
	args := []string{"scripts/studies/study.sh"}
	for _, file := range studies {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range shorter {
			field := regexp.MustCompile(`(?m)^` + s.field + `$`)
			if !field.Match(text) {
				t.Fatalf("%s has no line %s", file, s.field)
			}
			text = field.ReplaceAll(text, []byte(s.to))
		}
		if err := os.WriteFile(filepath.Join(dir, "studies", filepath.Base(file)), text, 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, strings.TrimSuffix(filepath.Base(file), ".yaml"))
	}
	madeUpBenchmark(t, filepath.Join(dir, "data", "nas-bench-macro"))
	cmd := exec.Command("bash", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DATA=data")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range args[1:] {
		page, err := os.ReadFile(filepath.Join(dir, "docs", "results", "study-"+name+".md"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, want := range []string{"- Command: `scripts/studies/study.sh " + name + "`", "### What may be concluded\n", "### Improvement over the anchor\n"} {
			if !strings.Contains(string(page), want) {
				t.Errorf("the page of %s has no %q", name, want)
			}
		}
	}
}

// madeUpBenchmark writes a file as NAS-Bench-Macro's: three accuracies of each of 3⁸ networks.
func madeUpBenchmark(t *testing.T, dir string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	all := map[string]any{}
	for n := range 6561 {
		key, work := "", 0
		for range 8 {
			key += fmt.Sprint(n % 3)
			work += n % 3
			n /= 3
		}
		mean := 88 + 4*float64(work)/16 + rng.NormFloat64()
		all[key] = map[string]any{"test_acc": []float64{mean - 0.1, mean, mean + 0.1}, "flops": 1000000 * (7 + work), "params": 100000 * (3 + work)}
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "nas-bench-macro_cifar10.json"), text, 0o644); err != nil {
		t.Fatal(err)
	}
}
