package build_test

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/costgen/build"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// TestBuildGoesOnAfterAKill builds the table of a simulated device twice: undisturbed, and
// killed outright in its second campaign and started again. Both end with the same model.
func TestBuildGoesOnAfterAKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts two programs and simulates a minute; make test runs it")
	}
	if runtime.GOOS == "windows" {
		t.Skip("no SIGKILL")
	}
	dir := t.TempDir()
	for _, p := range []string{"agent", "costgen"} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, p), "github.com/isocost/isocost/cmd/"+p).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", p, err, out)
		}
	}
	sim, err := filepath.Abs("../../examples/sim-device.yaml")
	if err != nil {
		t.Fatal(err)
	}
	start := func(name string) *exec.Cmd {
		return exec.Command(filepath.Join(dir, "costgen"), "build", "--backend", "sim", "--sim-device", sim, "--minutes", "0.5", "-o", filepath.Join(dir, name+".lut.json"))
	}
	finish := func(cmd *exec.Cmd) string {
		t.Helper()
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	said := finish(start("whole"))
	for _, want := range []string{"campaign 1 of 2", "campaign 2 of 2", "error expected", "done:", "wrote"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}

	cmd := start("killed")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(dir, "killed.run", "02.rec.jsonl")
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if info, err := os.Stat(second); err == nil && info.Size() > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the second campaign did not begin")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if _, err := os.Stat(filepath.Join(dir, "killed.lut.json")); err == nil {
		t.Fatal("it was not killed in time: there is a table")
	}
	time.Sleep(time.Second) // its agent notices
	finish(start("killed"))

	read := func(name string) *lut.File {
		data, err := os.ReadFile(filepath.Join(dir, name+".lut.json"))
		if err != nil {
			t.Fatal(err)
		}
		table, err := lut.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		return table.File()
	}
	whole, killed := read("whole"), read("killed")
	if whole.Model == nil || !reflect.DeepEqual(whole.Model, killed.Model) || !reflect.DeepEqual(whole.Families, killed.Families) {
		t.Error("after a kill the table is another")
	}

	// Other settings are another build.
	cmd = start("killed")
	cmd.Args = append(cmd.Args, "--seed", "2")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "other settings") {
		t.Errorf("another seed in the same folder: %v\n%s", err, out)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := build.Run(context.Background(), build.Options{Seconds: math.NaN(), Error: 2, Census: &census.Census{}})
	if err == nil {
		t.Fatal("nothing is wrong with empty options")
	}
	for _, want := range []string{"no folder", "no agent", "no network", "NaN seconds", "expected error of 2"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
}

// TestTooLittleTimeIsRefusedBefore: what could only end without a model is refused before
// anything is measured, and the folder takes the same build with more time.
func TestTooLittleTimeIsRefusedBefore(t *testing.T) {
	all, err := census.Default()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	o := build.Options{Dir: dir, Program: filepath.Join(dir, "no-agent"), Census: &census.Census{Networks: all.Networks[:12]}, Seconds: 10}
	if _, err := build.Run(context.Background(), o); !errors.Is(err, costgen.ErrTooFewCells) || !strings.Contains(hint.Of(err), "--minutes 0.") {
		t.Fatalf("ten seconds: %v, hint %q", err, hint.Of(err))
	}
	o.Seconds = 60
	if _, err := build.Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "no-agent") {
		t.Errorf("a minute in the same folder: %v, want the missing agent", err)
	}
}
