package target

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/isocost/isocost/benchmarks/modulespace"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// A plan of a space of modules is measured on another device by the agent itself: its files
// are pushed as they are, and ONNX Runtime runs them there.
func TestModulesAreMeasuredOnTheTarget(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the agent and measures: make test")
	}
	library := nativelib.Require(t, "onnxruntime")
	device := t.TempDir()
	agent := filepath.Join(device, agentName)
	if out, err := exec.Command("go", "build", "-o", agent, "github.com/isocost/isocost/cmd/agent").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	lib := filepath.Join(device, "lib", "onnxruntime")
	if err := os.MkdirAll(lib, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(library, filepath.Join(lib, filepath.Base(library))); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := modulespace.Example()
	s.Layers = s.Layers[3:] // of 32 channels at 12×12
	s.Stem[0] = s.Stem[0].With("cout", 32).With("h", 24).With("w", 24)
	s.Input = []int{3, 24, 24}
	s.Layers[0].Widths, s.Layers[0].Default, s.Layers[0].Choices, s.Layers[0].Precisions = []int{64, 96}, 64, s.Layers[0].Choices[:1], []lut.Precision{lut.FP32}
	if err := s.Write(dir); err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, args ...string) string {
		t.Helper()
		cmd := exec.Command(agent, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != 0 && code != 3 {
			t.Fatalf("agent %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	run(t, "plan", "--space", "space.yaml", "--calibrate", "1", "--audit", "1", "-o", "plan.jsonl")
	put(t, filepath.Join(dir, "protocol.yaml"), "format: isocost/protocol/v1\nthreads: 1\nstop: {interval: 0.00001, max_rounds: 8}\ndrift: {allow: 0.1}\n")
	for name, there := range map[string]func(t *testing.T) (base string, args []string){
		"ssh": func(t *testing.T) (string, []string) {
			base := filepath.Join(t.TempDir(), "isocost")
			w := newSSHWorld(t, base)
			return base, []string{"--target", w.dialer.Spec.String(), "--ssh-known-hosts", w.dialer.KnownHosts[0], "--ssh-key", w.dialer.KeyFiles[0]}
		},
		"adb": func(t *testing.T) (string, []string) {
			base := filepath.Join(phoneFolder(t), "isocost")
			d, world := adbWorld(t, base)
			put(t, filepath.Join(world, "tmp"), filepath.Dir(base))
			t.Setenv("PATH", world+string(os.PathListSeparator)+os.Getenv("PATH"))
			return base, []string{"--target", d.Spec.String()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			base, args := there(t)
			out := run(t, append([]string{"bench", "--plan", "plan.jsonl", "--backend", "ort", "--protocol", "protocol.yaml", "--max-time", "3m", "-o", name + ".jsonl",
				"--bundle", device, "--target-dir", base}, args...)...)
			files, err := record.Read(filepath.Join(dir, name+".jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			measured := 0
			for _, l := range files[0].Records {
				if k := l.Record.Key; k != nil && k.Kind == "module" && l.Record.EstimateUS != nil {
					measured++
				}
			}
			if measured < 3 {
				t.Errorf("%d modules have a time:\n%s", measured, out)
			}
			here, err := filepath.Glob(filepath.Join(dir, "modules", "*.onnx"))
			if err != nil || len(here) < 4 {
				t.Fatalf("%d modules here, %v", len(here), err)
			}
			for _, file := range here {
				found, _ := filepath.Glob(filepath.Join(base, "jobs", "*", "in", "modules", filepath.Base(file)))
				if len(found) != 1 {
					t.Fatalf("%s is %d times on the device", filepath.Base(file), len(found))
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := os.ReadFile(found[0]); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: %v, or other bytes", found[0], err)
				}
			}
			t.Logf("%d modules measured, %d files pushed", measured, len(here))
		})
	}
}
