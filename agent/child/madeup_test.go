package child

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/record"
)

// A runtime that refuses made-up lengths has not crashed; one that is given all it takes, or
// takes no integers, has what it said.
func TestMadeUpLengthsAreNoCrash(t *testing.T) {
	m := &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{
		Inputs:  []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, 4), onnx.NewValue("len", onnx.Int32, 1)},
		Outputs: []*onnx.ValueInfo{onnx.NewValue("y", onnx.Float, 4)},
		Nodes:   []*onnx.Node{{Op: "Identity", Inputs: []string{"x"}, Outputs: []string{"y"}}}}}
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := os.WriteFile(path, onnx.Encode(m), 0o666); err != nil {
		t.Fatal(err)
	}
	said := errors.New("first run: the length must be positive")
	err := madeUp(said, agent.Model{Path: path}, nil)
	if validityOf(err) != record.Unsupported || !strings.Contains(err.Error(), "made-up values in len:") || !strings.Contains(err.Error(), "--input NAME=FILE.npy") || !errors.Is(err, said) {
		t.Errorf("%v is %s", err, validityOf(err))
	}
	if err := madeUp(said, agent.Model{Path: path}, map[string]agent.Tensor{"len": {}}); err != said {
		t.Errorf("with all inputs given: %v", err)
	}
	if err := madeUp(said, agent.Model{}, nil); err != said || validityOf(err) != record.Crashed("error") {
		t.Errorf("of a chain: %v", err)
	}
}
