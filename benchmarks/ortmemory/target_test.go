package ortmemory_test

import (
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/ortmemory"
	"github.com/isocost/isocost/benchmarks/ortmodel"
)

// A map of 24 channels takes 32 where blocks have 16 and 24 where they have 8.
func TestBlocksOfATarget(t *testing.T) {
	const pixel = 48 * 48 * 4
	chain := benchmarks.Chain{parse(t, "conv[k=3,s=1]/fp32@cin=3,cout=24,h=48,w=48")}
	for channels, want := range map[int]int64{0: 32 * pixel, 16: 32 * pixel, 8: 24 * pixel} {
		if got, err := ortmemory.ChainPeak(chain, 1, ortmodel.Target{Channels: channels}, nil); err != nil || got != want {
			t.Errorf("blocks of %d: %d bytes (%v), want %d", channels, got, err, want)
		}
	}
}
