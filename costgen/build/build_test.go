package build_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/costgen/build"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// bench is a folder with the programs and a small census, which simulated builds take a second or two for.
type bench struct {
	t   *testing.T
	dir string
	sim string
}

func newBench(t *testing.T) *bench {
	if testing.Short() {
		t.Skip("starts programs that simulate a minute; make test runs it")
	}
	if runtime.GOOS == "windows" {
		t.Skip("no signals")
	}
	b := &bench{t: t, dir: t.TempDir()}
	if out, err := exec.Command("go", "build", "-o", b.dir, "github.com/isocost/isocost/cmd/agent", "github.com/isocost/isocost/cmd/costgen").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	var err error
	if b.sim, err = filepath.Abs("../../examples/sim-device.yaml"); err != nil {
		t.Fatal(err)
	}
	all, err := census.Default()
	if err != nil {
		t.Fatal(err)
	}
	var few census.Census
	for _, n := range all.Of([]lut.Precision{lut.FP32}).Networks {
		if n.Family == "mobilenetv2" || n.Family == "resnet" || n.Family == "mnasnet" {
			few.Add(n)
		}
	}
	text, err := few.Encode()
	if err == nil {
		err = os.WriteFile(b.path("few.census"), text, 0o666)
	}
	if err != nil || len(few.Networks) < 6 {
		t.Fatalf("a census of %d networks: %v", len(few.Networks), err)
	}
	return b
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// command builds on the simulated device.
func (b *bench) command(out string, args ...string) *exec.Cmd {
	return exec.Command(b.path("costgen"), append([]string{"build", "--backend", "sim", "--sim-device", b.sim, "--minutes", "1",
		"--census", b.path("few.census"), "-o", b.path(out)}, args...)...)
}

func (b *bench) finish(cmd *exec.Cmd) string {
	b.t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// untilSecond starts a build and waits for more records of its second campaign.
func (b *bench) untilSecond(name string) (cmd *exec.Cmd, said *bytes.Buffer) {
	b.t.Helper()
	second, before := b.path(name+".run/02.rec.jsonl"), int64(0)
	if info, err := os.Stat(second); err == nil {
		before = info.Size()
	}
	cmd, said = b.command(name+".lut.json"), &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if info, err := os.Stat(second); err == nil && info.Size() > before {
			return cmd, said
		}
		if time.Now().After(deadline) {
			b.t.Fatal("the second campaign did not begin")
		}
	}
}

func (b *bench) table(name string) *lut.File {
	b.t.Helper()
	data, err := os.ReadFile(b.path(name))
	if err != nil {
		b.t.Fatal(err)
	}
	table, err := lut.Decode(data)
	if err != nil {
		b.t.Fatal(err)
	}
	return table.File()
}

// alike compares tables of the same plans: a simulated device that is started again draws other
// noise, so that costs differ by it.
func (b *bench) alike(what string, got, want *lut.File) {
	b.t.Helper()
	if got.Model == nil || len(got.Families) != len(want.Families) {
		b.t.Fatalf("%s: a table of %d families, want %d and a model", what, len(got.Families), len(want.Families))
	}
	var off []float64
	for i, f := range want.Families {
		g := got.Families[i]
		if len(g.Knots) != len(f.Knots) {
			b.t.Fatalf("%s: of family %d %d knots, want %d", what, i, len(g.Knots), len(f.Knots))
		}
		for j, k := range f.Knots {
			if !reflect.DeepEqual(g.Knots[j].At, k.At) {
				b.t.Fatalf("%s: family %d has a knot at %v, want %v", what, i, g.Knots[j].At, k.At)
			}
			off = append(off, math.Abs(math.Log(g.Knots[j].Corrected/k.Corrected)))
		}
	}
	slices.Sort(off)
	if m := off[len(off)/2]; !(m < 0.02) {
		b.t.Errorf("%s: costs differ by %.1f %% in the median", what, 100*m)
	}
}

// TestBuildGoesOn builds the table of a simulated device undisturbed; then interrupted in its
// second campaign, killed outright there, and started again; and for two targets side by side. All
// end with the same table.
func TestBuildGoesOn(t *testing.T) {
	b := newBench(t)
	said := b.finish(b.command("whole.lut.json"))
	for _, want := range []string{"campaign 1 of 2", "campaign 2 of 2", "error expected", "done:", "wrote"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	whole := b.table("whole.lut.json")

	cmd, out := b.untilSecond("broken")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(out.String(), "the same command goes on") {
		t.Errorf("interrupted: %v\n%s", err, out)
	}
	first := b.table("broken.lut.json")
	if first.Model == nil || first.Inputs[0].Records >= whole.Inputs[0].Records {
		t.Errorf("interrupted in the second campaign the table is of %+v, undisturbed of %+v", first.Inputs, whole.Inputs)
	}
	if err := os.Remove(b.path("broken.lut.json")); err != nil {
		t.Fatal(err)
	}
	cmd, _ = b.untilSecond("broken")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if _, err := os.Stat(b.path("broken.lut.json")); err == nil {
		t.Fatal("it was not killed in time: there is a table")
	}
	time.Sleep(time.Second) // its agent notices
	b.finish(b.command("broken.lut.json"))
	b.alike("after an interrupt and a kill", b.table("broken.lut.json"), whole)

	// Other settings are another build.
	if out, err := b.command("broken.lut.json", "--seed", "2").CombinedOutput(); err == nil || !strings.Contains(string(out), "other settings") {
		t.Errorf("another seed in the same folder: %v\n%s", err, out)
	}

	// Several targets: the agent, which has tests of its own for reaching boards, is one that
	// takes each for this host.
	script := "#!/bin/sh\nfor a; do shift; case $a in ssh:*|--target) ;; *) set -- \"$@\" \"$a\";; esac; done\nexec " + b.path("agent") + " \"$@\"\n"
	if err := os.WriteFile(b.path("near"), []byte(script), 0o777); err != nil {
		t.Fatal(err)
	}
	said = b.finish(b.command("boards", "--agent", b.path("near"), "--target", "ssh:pi@one", "--target", "ssh:pi@two"))
	for _, name := range []string{"one", "two"} {
		if !strings.Contains(said, "ssh:pi@"+name+": done") {
			t.Errorf("it does not say when %s is done:\n%s", name, said)
		}
		if board := b.table("boards/ssh-pi-" + name + ".lut.json"); !reflect.DeepEqual(board.Model, whole.Model) || !reflect.DeepEqual(board.Families, whole.Families) {
			t.Errorf("%s: beside another build the table is another", name)
		}
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
