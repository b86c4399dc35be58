package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/forward"
	"github.com/isocost/isocost/internal/nativelib"
)

// agentMain runs the program in this process.
func agentMain(stdin string, args ...string) (stdout, stderr string, code int) {
	var out, talk bytes.Buffer
	code = program().Run(context.Background(), args, cli.Env{Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &talk, Getenv: os.Getenv})
	return out.String(), talk.String(), code
}

// testdata/add.onnx is y = x + [10, 20, 30] over float32 [1, 3].
func TestForwardAnswersLines(t *testing.T) {
	nativelib.Require(t, "onnxruntime")
	x := base64.StdEncoding.EncodeToString([]byte{0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 64, 64}) // 1, 2, 3
	stdout, stderr, code := agentMain(strings.Join([]string{
		`{"id":"1","model":"testdata/add.onnx","inputs":[{"name":"x","dtype":"float32","shape":[1,3],"data":"` + x + `"}]}`,
		`not json`,
		`{"id":"2","model":"testdata/nonesuch.onnx"}`,
		`{"id":"3","model":"forward_test.go"}`,
		`{"id":"4","model":"testdata/add.onnx","seed":5}`,
		`{"id":"5","model":"testdata/add.onnx","seed":5}`,
	}, "\n")+"\n", "forward")
	if code != 0 || stderr != "" {
		t.Fatalf("exit %d, stderr %q", code, stderr)
	}
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	if len(lines) != 7 {
		t.Fatalf("%d lines, want 7:\n%s", len(lines), stdout)
	}
	hello, err := forward.DecodeHello([]byte(lines[0]))
	if err != nil || hello.Backend != "ort" || !strings.HasPrefix(hello.Version, "1.") || len(hello.SHA256) != 64 {
		t.Errorf("%+v, %v", hello, err)
	}
	var replies []forward.Reply
	for _, line := range lines[1:] {
		r, err := forward.DecodeReply([]byte(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		replies = append(replies, r)
	}
	if want := []byte{0, 0, 48, 65, 0, 0, 176, 65, 0, 0, 4, 66}; replies[0].ID != "1" || !bytes.Equal(replies[0].Outputs[0].Data, want) { // 11, 22, 33
		t.Errorf("%+v", replies[0])
	}
	for i, want := range map[int]string{1: "invalid character", 2: "no such file", 3: "not an ONNX file"} {
		if !strings.Contains(replies[i].Error, want) {
			t.Errorf("reply %d: %q, want %q", i, replies[i].Error, want)
		}
	}
	if a, b := replies[4].Outputs[0].Data, replies[5].Outputs[0].Data; !bytes.Equal(a, b) {
		t.Errorf("one seed gave %v and %v", a, b)
	}
}

func TestForwardWrongUse(t *testing.T) {
	for _, args := range [][]string{
		{"forward", "x"}, {"forward", "--threads", "0"}, {"forward", "--backend", "nonesuch"},
		{"forward", "--provider-option", "x"}, {"forward", "--ep-library", "x"}, {"forward", "--ep-library", "a=b", "--ep-library", "a=c"},
	} {
		if stdout, stderr, code := agentMain("", args...); code != cli.ExitUsage || stdout != "" || !strings.Contains(stderr, "agent: error: ") {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
	if _, stderr, code := agentMain("", "forward", "--ort-lib", "nonesuch.so"); code != cli.ExitFailed || !strings.Contains(stderr, "agent: hint: ") {
		t.Errorf("missing library: exit %d, %q", code, stderr)
	}
}
