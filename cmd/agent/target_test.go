package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/lut"
)

// TestFlagsHandedOnToTheDevice checks what of a command line reaches the device, and that every
// file it names is pushed.
func TestFlagsHandedOnToTheDevice(t *testing.T) {
	parse := func(args ...string) (*benchOptions, *pflag.FlagSet) {
		var o benchOptions
		flags := pflag.NewFlagSet("bench", pflag.ContinueOnError)
		o.AddFlags(flags)
		if err := flags.Parse(args); err != nil {
			t.Fatal(err)
		}
		o.Models = append(o.Models, flags.Args()...)
		return &o, flags
	}
	t.Chdir(t.TempDir())
	small := onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{Name: "g"}}
	for _, name := range []string{"a/net.onnx", "b/net.onnx", "dir/models/a.onnx"} {
		putModel(t, name, small)
	}
	o, flags := parse("a/net.onnx", "--model", "b/net.onnx", "--input", "x=c/x.npy", "--input", "y=d/x.npy", "--protocol", "p/protocol.yaml",
		"--threads", "2", "--dim", "H=224", "--dim", "W=224", "--target", "ssh:u@h", "--ssh-key", "secret", "-o", "out.jsonl", "--provider", "cpu; rm -rf /")
	files, args, err := o.handOn(flags, nil)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(args[4:])
	want := []string{"bench", "--output", "rec.jsonl", "--for-host", "--dim=H=224", "--dim=W=224", "--input=x=in/inputs/x.npy", "--input=y=in/inputs2/x.npy",
		"--model=in/models/net.onnx", "--model=in/models2/net.onnx", "--protocol=in/protocol.yaml", "--provider=cpu; rm -rf /", "--threads=2"}
	if !slices.Equal(args, want) {
		t.Errorf("arguments\n%q\nwant\n%q", args, want)
	}
	for name, local := range map[string]string{"models/net.onnx": "b/net.onnx", "models2/net.onnx": "a/net.onnx", "inputs/x.npy": "c/x.npy",
		"inputs2/x.npy": "d/x.npy", "protocol.yaml": "p/protocol.yaml"} {
		if files[name] != local {
			t.Errorf("%s is pushed from %q, want %q", name, files[name], local)
		}
	}

	o, flags = parse("--plan", "dir/plan.jsonl", "--target", "adb:x", "-o", "r")
	plan := &benchmarks.Plan{Models: []benchmarks.Model{{File: "models/a.onnx"}, {}}}
	files, _, err = o.handOn(flags, plan)
	if err != nil || files["models/a.onnx"] != filepath.Join("dir", "models", "a.onnx") || files["plan.jsonl"] != "dir/plan.jsonl" {
		t.Errorf("%v, %v", files, err)
	}
	// Tensors outside of the model's file go along.
	large := small
	large.Graph = &onnx.Graph{Name: "g", Initializers: []*onnx.Tensor{{Name: "w", Type: onnx.Float, Dims: []int64{1}, IsExternal: true,
		External: []onnx.Entry{{Key: "location", Value: "a.onnx.data"}}}}}
	putModel(t, "dir/models/a.onnx", large)
	if _, _, err := o.handOn(flags, plan); err == nil || !strings.Contains(err.Error(), "a.onnx.data") || hint.Of(err) == "" {
		t.Errorf("a model without its data: %v", err)
	}
	if err := os.WriteFile("dir/models/a.onnx.data", make([]byte, 4), 0o600); err != nil {
		t.Fatal(err)
	}
	files, _, err = o.handOn(flags, plan)
	if err != nil || files["models/a.onnx.data"] != filepath.Join("dir", "models", "a.onnx.data") {
		t.Errorf("%v, %v", files, err)
	}
	before, err := modelfile.SHA256(t.Context(), "dir/models/a.onnx")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("dir/models/a.onnx.data", []byte("1234"), 0o600); err != nil {
		t.Fatal(err)
	}
	if agent.CheckFile("dir/models/a.onnx", before) == nil {
		t.Error("other weights in the model's data file are not noticed")
	}
	// So do the modules of a space, from the plan's folder on.
	plan = &benchmarks.Plan{Models: []benchmarks.Model{{Modules: []benchmarks.ModuleFile{{Key: lut.Op{Kind: "a"}, File: "space/modules/a.onnx"}, {Key: lut.Op{Kind: "b"}, File: "space/modules/b.onnx"}}}, {}}}
	files, _, err = o.handOn(flags, plan)
	if name := "space/modules/b.onnx"; err != nil || files[name] != filepath.Join("dir", "space", "modules", "b.onnx") {
		t.Errorf("%v, %v", files, err)
	}
	plan.Models[0].Modules[0].File = "/elsewhere/a.onnx"
	if _, _, err = o.handOn(flags, plan); err == nil || !strings.Contains(err.Error(), "outside of the plan's folder") || !strings.Contains(hint.Of(err), "make the plan in the space's folder") {
		t.Errorf("a module outside of the plan's folder: %v", err)
	}
	plan = &benchmarks.Plan{Models: []benchmarks.Model{{}}}
	plan.Models[0].File = "../secret"
	if _, _, err = o.handOn(flags, plan); err == nil {
		t.Error("a plan reached outside of its folder")
	}
}

func putModel(t *testing.T, name string, m onnx.Model) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, onnx.Encode(&m), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTargetWrongUse(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("SSH_AUTH_SOCK", "")
	model := filepath.Join("testdata", "add.onnx")
	for _, c := range []struct {
		want string
		code int
		args []string
	}{
		{"unknown kind", 2, []string{"device", "--target", "usb:1"}},
		{"is not a host name", 2, []string{"bench", model, "--target", "ssh:u@$(reboot)"}},
		{"serial number", 2, []string{"bench", model, "--target", "adb:; reboot"}},
		{"not in known_hosts", 1, []string{"runtimes", "verify", "--target", "ssh:u@localhost:1", "--ssh-known-hosts", os.DevNull}},
		{"not in known_hosts", 1, []string{"device", "--target", "ssh:u@localhost:1", "--ssh-known-hosts", os.DevNull}},
	} {
		out, talk, code := agentMain("", c.args...)
		if code != c.code || out != "" || !strings.Contains(talk, c.want) || !strings.Contains(talk, "hint: ") {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", c.args, code, out, talk)
		}
	}
}
