//go:build cgo

package ort

import (
	"slices"
	"testing"

	"github.com/isocost/isocost/agent"
)

func TestStringsOfTheLibrary(t *testing.T) {
	b := backend(t)
	same := testModel{
		in: []testValue{{"s", 8, []any{2, 2}}}, out: []testValue{{"same", 8, []any{2, 2}}},
		nodes: []testNode{{op: "Identity", in: []string{"s"}, out: []string{"same"}}},
	}.bytes()
	given := []string{"", "a", "größer", "two words"}
	s := open(t, b, same, agent.Options{Inputs: map[string]agent.Tensor{
		"s": {Name: "s", DType: "string", Shape: []int{2, 2}, Data: agent.JoinStrings(given)}}})
	for range 2 { // the second run writes over the first one's strings
		out := outputs(t, s)
		if got, err := out[0].Strings(); err != nil || !slices.Equal(got, given) || out[0].DType != "string" {
			t.Fatalf("%q %v, want %q", got, err, given)
		}
	}
	drawn := outputs(t, open(t, b, same, agent.Options{Seed: 4}))[0]
	if got, err := drawn.Strings(); err != nil || !slices.Equal(got, agent.SynthesiseStrings(4, 4, 0)) {
		t.Errorf("synthesised: %q %v", got, err)
	}
	for _, wrong := range []agent.Tensor{
		{DType: "string", Shape: []int{4}, Data: agent.JoinStrings(given)},
		{DType: "string", Shape: []int{2, 2}, Data: agent.JoinStrings(given[:3])},
		{DType: "string", Shape: []int{2, 2}, Data: []byte("a\x00b\x00c\x00d")},
		{DType: "float32", Shape: []int{2, 2}, Data: make([]byte, 16)},
	} {
		_, err := b.Open(t.Context(), agent.Model{Bytes: same}, agent.Options{Provider: "cpu", Threads: 1, Inputs: map[string]agent.Tensor{"s": wrong}})
		if err == nil {
			t.Errorf("%s %v of %d bytes is taken", wrong.DType, wrong.Shape, len(wrong.Data))
		}
	}
}
