//go:build tensorflow

package tensorflow

import (
	"os"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
)

// processorChains holds chains whose kernels differ between processors, few enough for an emulator:
// fused convolutions of groups, which have no kernel without oneDNN; a product of normalised
// numbers, which tells roundings of bf16 apart; fp16, which oneDNN leaves to others on
// processors without the arithmetic; and products of matrices.
var processorChains = []string{
	"conv[act=hswish,g=2,k=3,p=0,s=2]/fp32@cin=16,cout=24,h=16,w=16",
	"conv[act=hswish,g=2,k=3,p=0,s=2]/int8@cin=16,cout=24,h=16,w=16",
	"conv[act=hswish,g=2,k=3,p=0,s=2]/int8dyn@cin=16,cout=24,h=16,w=16",
	"conv[act=hswish,g=2,k=3,p=0,s=2]/int8w@cin=16,cout=24,h=16,w=16",
	"conv[k=3]/fp16@cin=16,cout=16,h=8,w=8",
	"layernorm/bf16@dim=24,seq=16 reduce[op=prod]/bf16@m=16,n=24",
	"linear/bf16@cin=32,cout=16,m=4",
	"matmul/fp32@b=4,k=24,m=16,n=8",
	"matmul/fp16@b=4,k=24,m=16,n=8",
}

// TestChainsOnThisProcessor runs the chains above on the processor it finds itself on.
// ISOCOST_TEST_PROCESSOR, where set, names the features that the library must report:
// scripts/test-avx2.sh runs the test in an emulator and says there which processor it means.
func TestChainsOnThisProcessor(t *testing.T) {
	if want := os.Getenv("ISOCOST_TEST_PROCESSOR"); want != "" && features() != want {
		t.Fatalf("the library's features are %q, want %q", features(), want)
	}
	for _, keys := range processorChains {
		t.Run(keys, func(t *testing.T) {
			var c benchmarks.Chain
			for key := range strings.SplitSeq(keys, " ") {
				op, err := lut.ParseOp(key)
				if err != nil {
					t.Fatal(err)
				}
				c = append(c, op)
			}
			if !runChain(t, c) {
				t.Error("the comparison could not have failed")
			}
		})
	}
}
