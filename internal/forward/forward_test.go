package forward

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/hint"
)

func TestServeAnswersEveryRequest(t *testing.T) {
	in := strings.Join([]string{
		`{"id":"a","model":"good.onnx","seed":7}`,
		``,
		`garbage`,
		`{"id":"b","model":"bad.onnx","seed":1}`,
		`{"id":"c","model":"good.onnx","unknown":1}`,
		`{"id":"d"}`,
		`{"id":"e","model":"good.onnx","inputs":[{"name":"x","dtype":"int8","shape":[1],"data":"AQ=="}],"dims":{"n":2}}`,
	}, "\n") + "\n"
	var out bytes.Buffer
	err := Serve(context.Background(), strings.NewReader(in), &out, Hello{Backend: "test", Version: "1"},
		func(_ context.Context, r Request) ([]Tensor, error) {
			if r.Model != "good.onnx" {
				return nil, hint.Wrap(errors.New("no such model"), "give another")
			}
			return []Tensor{{"y", "uint8", []int{1}, []byte{byte(r.Seed) + byte(len(r.Inputs)) + byte(r.Dims["n"])}}}, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	want := []string{
		`{"format":"isocost/forward/v1","backend":"test","version":"1","sha256":""}`,
		`{"id":"a","outputs":[{"name":"y","dtype":"uint8","shape":[1],"data":"Bw=="}]}`,
		`{"id":"","error":"request: invalid character 'g' looking for beginning of value"}`,
		`{"id":"b","error":"no such model","hint":"give another"}`,
		`{"id":"c","error":"request: unknown field \"unknown\""}`,
		`{"id":"d","error":"request: no model"}`,
		`{"id":"e","outputs":[{"name":"y","dtype":"uint8","shape":[1],"data":"Aw=="}]}`,
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), out.String())
	}
	for i := range want {
		if lines[i] != want[i] {
			t.Errorf("line %d:\n got %s\nwant %s", i, lines[i], want[i])
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"format":"isocost/forward/v1","backend":"ort","version":"1.32.0","sha256":"x"}`,
		`{"id":"a","model":"m","seed":1}`, `{"id":"a","outputs":[{"name":"y","dtype":"int8","shape":[1],"data":"AQ=="}]}`,
		`{"id":"a","error":"x"}`, `{"id":"a"}{}`, `null`, ``, `{"id":"a","model":"m","seed":-1}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if r, err := DecodeRequest(line); err == nil {
			again, _ := json.Marshal(r)
			if _, err := DecodeRequest(again); err != nil {
				t.Errorf("%q was accepted, its own encoding %q not: %v", line, again, err)
			}
		}
		if r, err := DecodeReply(line); err == nil && (r.Error == "") == (r.Outputs == nil) {
			t.Errorf("%q: a reply must have outputs or an error", line)
		}
		DecodeHello(line)
	})
}
