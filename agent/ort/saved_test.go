//go:build cgo

package ort

import (
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/benchmarks/onnxreader"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/internal/onnx"
)

// A graph that the runtime saved has the kernels that agent lower makes of it: optimising it
// once more merges nothing, and neither do the reader's rules.
func TestSavedGraphIsReadAsItRuns(t *testing.T) {
	b, on := backend(t), thisMachine(t)
	models := [][]byte{convModel(1), quantModel(true), dynamicModel()}
	for seed := range uint64(60) {
		w := newLayers(seed, 5, []int{1, 16, 8, 8})
		w.grow(t, seed, w.layer)
		models = append(models, onnx.Encode(w.model(w.ends()...)))
	}
	read := 0
	for i, data := range models {
		saved, err := b.Optimised(t.Context(), agent.Model{Name: "model", Bytes: data}, oneThread)
		if err != nil {
			continue // the writer knows less than the runtime of what fits together
		}
		again, err := b.Optimised(t.Context(), agent.Model{Name: "saved", Bytes: saved}, oneThread)
		if err != nil {
			t.Errorf("model %d: the runtime does not load what it saved: %v", i, err)
			continue
		}
		got, err := onnxreader.Read(saved, onnxreader.Options{Target: on})
		if err != nil {
			t.Errorf("model %d: %v", i, err)
			continue
		}
		if !got.Lowered {
			continue // without an operator that only the optimiser makes it is read as any other
		}
		read++
		lowered, err := onnxreader.Read(again, onnxreader.Options{Target: on, Lowered: true})
		if err != nil {
			t.Errorf("model %d, lowered: %v", i, err)
			continue
		}
		for _, d := range network.Differences(got, lowered, ortmodel.Work) {
			t.Errorf("model %d: the saved graph (-) and what agent lower makes of it (+): %s", i, d)
		}
	}
	if read < 8 {
		t.Errorf("only %d of %d graphs were known as the runtime's", read, len(models))
	}
}
