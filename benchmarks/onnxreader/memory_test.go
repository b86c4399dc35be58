package onnxreader

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Peaks worked out by hand: maps of 48×48 floats, channels in whole blocks of 16.
func TestPeakBytesOfAGraph(t *testing.T) {
	const pixel = 48 * 48 * 4
	for _, c := range []struct {
		what string
		keys []string
		want int64
	}{
		{"one convolution: its output in blocks; what it is given and what it hands out are the caller's", []string{"conv[k=3,s=1]/fp32@cin=3,cout=32,h=48,w=48"}, 32 * pixel},
		{"a chain: the largest neighbours", []string{
			"conv[act=relu,k=3,s=1]/fp32@cin=3,cout=32,h=48,w=48", "conv[act=relu,k=1,s=1]/fp32@cin=32,cout=64,h=48,w=48", "conv[k=1,s=1]/fp32@cin=64,cout=16,h=48,w=48"},
			(32 + 64) * pixel},
		{"an activation that no convolution takes in writes a map of its own", []string{
			"conv[act=relu,k=3,s=1]/fp32@cin=3,cout=16,h=48,w=48", "conv[act=silu,k=1,s=1]/fp32@cin=16,cout=64,h=48,w=48"}, (64 + 64) * pixel},
		{"a residual: the block's input stays, the last convolution adds onto it", []string{
			"conv[act=relu,k=3,s=1]/fp32@cin=3,cout=24,h=48,w=48", "mbconv[act=relu6,k=3,res=1,s=1]/fp32@cin=24,cout=24,h=48,mid=72,w=48"},
			(32 + 80 + 80) * pixel},
		{"squeeze and excite: the product takes the map out of its blocks", []string{
			"conv[act=relu,k=3,s=1]/fp32@cin=3,cout=64,h=48,w=48", "se[r=4]/fp32@c=64,h=48,w=48"}, (64+64)*pixel + 64*4},
	} {
		net, err := Read(written(t, c.keys...), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if net.PeakBytes != c.want {
			var alive []string
			for _, k := range net.Kernels {
				alive = append(alive, fmt.Sprintf("%s %d", k.Op, k.LiveBytes/pixel))
			}
			t.Errorf("%s: %d maps' worth of bytes and %d, want %d: %s", c.what, net.PeakBytes/pixel, net.PeakBytes%pixel, c.want/pixel, strings.Join(alive, "; "))
		}
	}
}

// Models as exported, planned without the runtime, against what ONNX Runtime took:
// testdata/peaks.txt, which make memory counts again. What the runtime's own graph says is
// exact (agent/ort, TestPeaksOfExportedModels).
func TestPeakBytesOfExportedModels(t *testing.T) {
	dir := os.Getenv("ISOCOST_MODELS")
	if dir == "" {
		t.Skip("set ISOCOST_MODELS to a folder of models (scripts/export_models.py makes one)")
	}
	f, err := os.Open("testdata/peaks.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	exact, all, ss := 0, 0, 0.0
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var name string
		var took int64
		if strings.HasPrefix(sc.Text(), "#") {
			continue
		}
		if _, err := fmt.Sscan(sc.Text(), &name, &took); err != nil {
			t.Fatalf("peaks.txt: %q: %v", sc.Text(), err)
		}
		net, err := ReadFile(filepath.Join(dir, name), Options{Dims: map[string]int{"N": 1}})
		if err != nil {
			t.Error(err)
			continue
		}
		off := float64(net.PeakBytes)/float64(took) - 1
		all++
		ss += off * off
		if net.PeakBytes == took {
			exact++
			continue
		}
		t.Logf("%-32s %9d bytes taken, %9d planned: %+.1f %%", name, took, net.PeakBytes, 100*off)
	}
	rmspe := math.Sqrt(ss / float64(all))
	t.Logf("%d of %d to the byte, RMSPE %.1f %%", exact, all, 100*rmspe)
	if rmspe > 0.06 || exact < all/2 {
		t.Errorf("%d of %d networks to the byte, RMSPE %.1f %%", exact, all, 100*rmspe)
	}
}
