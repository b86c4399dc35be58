// Package forward is the line protocol by which a program has models run once in
// another process: "agent forward" serves it, isosearch's training-free evaluator
// asks. A crash of a model then costs one answer, not the search.
//
// The server first writes a Hello. Each line it reads is a Request, each answered
// by one Reply in the same order:
//
//	{"format":"isocost/forward/v1","backend":"ort","version":"1.32.0","sha256":"…"}
//	{"id":"a","model":"net.onnx","seed":1}
//	{"id":"a","outputs":[{"name":"score","dtype":"float32","shape":[1],"data":"AACAPw=="}]}
//
// A line that cannot be understood or a model that cannot be run is answered by
// an error; the server goes on. It ends when its input does.
package forward

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
)

// Format is the first field of the Hello.
const Format = "isocost/forward/v1"

// MaxLine bounds a request: inputs of a few images fit, a runaway stream does not
// fill the memory.
const MaxLine = 256 << 20

// Hello is the server's first line.
type Hello struct {
	Format  string `json:"format"`
	Backend string `json:"backend"`
	Version string `json:"version"` // of the runtime library
	SHA256  string `json:"sha256"`  // of the runtime library
}

// Request asks for one run of a model.
type Request struct {
	ID    string `json:"id"`    // handed back; not empty
	Model string `json:"model"` // path of the model file
	Seed  uint64 `json:"seed"`  // of the inputs that are not given
	// Inputs overrides synthesised inputs.
	Inputs []Tensor `json:"inputs,omitempty"`
	// Dims gives symbolic dimensions their values.
	Dims map[string]int `json:"dims,omitempty"`
	// Signature enters a .tflite model that has several; "" is the first.
	Signature string `json:"signature,omitempty"`
}

// Tensor is an array: row-major little-endian elements, base64 in JSON.
type Tensor struct {
	Name  string `json:"name"`
	DType string `json:"dtype"` // numpy's name
	Shape []int  `json:"shape"`
	Data  []byte `json:"data"`
}

// Reply answers one request with either outputs or an error. ID is empty when the
// request could not be read.
type Reply struct {
	ID      string   `json:"id"`
	Outputs []Tensor `json:"outputs,omitempty"`
	Error   string   `json:"error,omitempty"`
	Hint    string   `json:"hint,omitempty"`
}

// DecodeRequest reads one line strictly.
func DecodeRequest(line []byte) (Request, error) {
	var r Request
	if err := strictjson.Decode(line, &r); err != nil {
		return Request{ID: r.ID}, fmt.Errorf("request: %w", err)
	}
	switch {
	case r.ID == "":
		return Request{}, errors.New("request: no id")
	case r.Model == "":
		return Request{ID: r.ID}, errors.New("request: no model")
	}
	return r, nil
}

// DecodeReply reads one line strictly.
func DecodeReply(line []byte) (Reply, error) {
	var r Reply
	if err := strictjson.Decode(line, &r); err != nil {
		return Reply{}, fmt.Errorf("reply: %w", err)
	}
	if (r.Error == "") == (len(r.Outputs) == 0) {
		return Reply{}, errors.New("reply: has not one of outputs and error")
	}
	return r, nil
}

// DecodeHello reads the server's first line.
func DecodeHello(line []byte) (Hello, error) {
	var h Hello
	if err := strictjson.Decode(line, &h); err != nil {
		return Hello{}, fmt.Errorf("hello: %w", err)
	}
	if h.Format != Format {
		return Hello{}, fmt.Errorf("hello: format %q, want %q", h.Format, Format)
	}
	return h, nil
}

// Serve answers the requests of in on out until in ends or ctx is cancelled. Only
// a stream that fails ends it with an error.
func Serve(ctx context.Context, in io.Reader, out io.Writer, hello Hello, run func(context.Context, Request) ([]Tensor, error)) error {
	hello.Format = Format
	enc := json.NewEncoder(out)
	if err := enc.Encode(hello); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 1<<16), MaxLine)
	for lines.Scan() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		request, err := DecodeRequest(lines.Bytes())
		reply := Reply{ID: request.ID}
		if err == nil {
			reply.Outputs, err = run(ctx, request)
		}
		if err == nil && len(reply.Outputs) == 0 {
			err = errors.New("the model has no outputs")
		}
		if err != nil {
			reply.Outputs, reply.Error, reply.Hint = nil, err.Error(), hint.Of(err)
		}
		if err := enc.Encode(reply); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read requests: %w", err)
	}
	return nil
}
