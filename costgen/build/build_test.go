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
	"strings"
	"testing"
	"time"

	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/costgen/build"
	"github.com/isocost/isocost/lut"
)

// lab holds the programs and what simulated builds need.
type lab struct{ dir, sim, census string }

// newLab builds the programs, and writes a census of few networks, over which a plan is quickly made.
func newLab(t *testing.T) *lab {
	t.Helper()
	if testing.Short() {
		t.Skip("starts two programs and simulates minutes; make test runs it")
	}
	if runtime.GOOS == "windows" {
		t.Skip("no SIGKILL and no sh")
	}
	l := &lab{dir: t.TempDir()}
	for _, p := range []string{"agent", "costgen"} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(l.dir, p), "github.com/isocost/isocost/cmd/"+p).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", p, err, out)
		}
	}
	var err error
	if l.sim, err = filepath.Abs("../../examples/sim-device.yaml"); err != nil {
		t.Fatal(err)
	}
	all, err := census.Default()
	if err != nil {
		t.Fatal(err)
	}
	few := &census.Census{}
	for i, n := range all.Of([]lut.Precision{lut.FP32}).Networks {
		if i%12 == 0 {
			few.Add(n)
		}
	}
	data, err := few.Encode()
	if err != nil {
		t.Fatal(err)
	}
	l.census = filepath.Join(l.dir, "few.census.jsonl.gz")
	if err := os.WriteFile(l.census, data, 0o666); err != nil {
		t.Fatal(err)
	}
	return l
}

// start is a build of half a minute, of the table or tables in output.
func (l *lab) start(output string, args ...string) *exec.Cmd {
	args = append([]string{"build", "--backend", "sim", "--sim-device", l.sim, "--census", l.census, "--minutes", "0.5", "-o", filepath.Join(l.dir, output)}, args...)
	return exec.Command(filepath.Join(l.dir, "costgen"), args...)
}

func finish(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func (l *lab) table(t *testing.T, name string) *lut.File {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(l.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	table, err := lut.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return table.File()
}

// within waits until a build's second campaign has begun to write records beyond a size.
func (l *lab) within(t *testing.T, name string, beyond int64) {
	t.Helper()
	second := filepath.Join(l.dir, name+".run", "02.rec.jsonl")
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(2 * time.Millisecond) {
		if info, err := os.Stat(second); err == nil && info.Size() > beyond {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the second campaign did not begin, or did not go on")
		}
	}
}

// TestBuildGoesOn builds the table of a simulated device twice: undisturbed; and killed outright in
// its second campaign, started again, interrupted there, and started once more. Both end with the same model.
func TestBuildGoesOn(t *testing.T) {
	l := newLab(t)
	said := finish(t, l.start("whole.lut.json"))
	for _, want := range []string{"campaign 1 of 2", "campaign 2 of 2", "error expected", "done:", "wrote"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}

	cmd := l.start("broken.lut.json")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l.within(t, "broken", 0)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if _, err := os.Stat(filepath.Join(l.dir, "broken.lut.json")); err == nil {
		t.Fatal("it was not killed in time: there is a table")
	}
	time.Sleep(time.Second) // its agent notices

	size := int64(0)
	if info, err := os.Stat(filepath.Join(l.dir, "broken.run", "02.rec.jsonl")); err == nil {
		size = info.Size()
	}
	cmd = l.start("broken.lut.json")
	var talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &talk, &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l.within(t, "broken", size)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 130 || !strings.Contains(talk.String(), "the same command goes on") {
		t.Errorf("interrupted, it ends with %v and says\n%s", err, talk.String())
	}
	if f := l.table(t, "broken.lut.json"); f.Model == nil {
		t.Error("interrupted, it leaves a table without a model")
	}
	finish(t, l.start("broken.lut.json"))
	whole, broken := l.table(t, "whole.lut.json"), l.table(t, "broken.lut.json")
	if whole.Model == nil || !reflect.DeepEqual(whole.Model, broken.Model) || !reflect.DeepEqual(whole.Families, broken.Families) {
		t.Error("after a kill and an interruption the table is another")
	}

	// Other settings are another build.
	if out, err := l.start("broken.lut.json", "--seed", "2").CombinedOutput(); err == nil || !strings.Contains(string(out), "other settings") {
		t.Errorf("another seed in the same folder: %v\n%s", err, out)
	}
}

// TestSeveralTargets builds the tables of two devices side by side, the second starting from
// the table of a device alike. Every target is the simulated device: the agent is told of none.
func TestSeveralTargets(t *testing.T) {
	l := newLab(t)
	agent := filepath.Join(l.dir, "anywhere")
	script := `#!/bin/sh
target=
for a; do
	shift
	case $target$a in
	--target) target=next ;;
	next*) target= ; echo "$a" >>` + l.dir + `/targets ;;
	*) set -- "$@" "$a" ;;
	esac
done
exec ` + filepath.Join(l.dir, "agent") + ` "$@"
`
	if err := os.WriteFile(agent, []byte(script), 0o777); err != nil {
		t.Fatal(err)
	}
	finish(t, l.start("first.lut.json"))
	said := finish(t, l.start("boards", "--agent", agent, "--target", "ssh:pi@one", "--target", "adb:39111FDJG", "--prior", filepath.Join(l.dir, "first.lut.json")))
	for _, want := range []string{"ssh:pi@one: campaign 1 of 2", "adb:39111FDJG: campaign 2 of 2", "ssh:pi@one: wrote", "adb:39111FDJG: wrote"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	asked, err := os.ReadFile(filepath.Join(l.dir, "targets"))
	if err != nil || strings.Count(string(asked), "ssh:pi@one\n") != 2 || strings.Count(string(asked), "adb:39111FDJG\n") != 2 {
		t.Errorf("the agent was told to measure %q, %v; want two campaigns of each", asked, err)
	}
	for _, name := range []string{"ssh-pi-one", "adb-39111FDJG"} {
		if f := l.table(t, "boards/"+name+".lut.json"); f.Model == nil || f.Model.Prior == nil {
			t.Errorf("the table of %s rests on no prior, which is of the same device", name)
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
