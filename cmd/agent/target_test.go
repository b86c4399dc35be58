package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/benchmarks"
)

// TestHandOn checks what of a command line reaches the device, and that every
// file it names is pushed.
func TestHandOn(t *testing.T) {
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
	o, flags := parse("a/net.onnx", "--model", "b/net.onnx", "--input", "x=c/x.npy", "--input", "y=d/x.npy", "--protocol", "p/protocol.yaml",
		"--threads", "2", "--dim", "H=224", "--dim", "W=224", "--target", "ssh:u@h", "--ssh-key", "secret", "-o", "out.jsonl", "--provider", "cpu; rm -rf /")
	files, args, err := o.handOn(flags, nil)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(args[3:])
	want := []string{"bench", "--output", "rec.jsonl", "--dim=H=224", "--dim=W=224", "--input=x=in/inputs/x.npy", "--input=y=in/inputs2/x.npy",
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
	plan.Models[0].File = "../secret"
	if _, _, err = o.handOn(flags, plan); err == nil {
		t.Error("a plan reached outside of its folder")
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
		{"no host name", 2, []string{"bench", model, "--target", "ssh:u@$(reboot)"}},
		{"no serial", 2, []string{"bench", model, "--target", "adb:; reboot"}},
		{"no usable key file", 1, []string{"device", "--target", "ssh:u@localhost:1", "--ssh-known-hosts", os.DevNull}},
	} {
		out, talk, code := agentMain("", c.args...)
		if code != c.code || out != "" || !strings.Contains(talk, c.want) || !strings.Contains(talk, "hint: ") {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", c.args, code, out, talk)
		}
	}
}
