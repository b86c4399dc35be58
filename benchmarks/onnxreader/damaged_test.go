package onnxreader

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/isocost/isocost/lut"
)

// Files with a few bytes changed, cut out or cut off end in an error or in a
// network whose every key is canonical, soon.
func TestDamagedFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("decodes thousands of damaged files: make test")
	}
	files, err := filepath.Glob("testdata/*.onnx")
	if err != nil || len(files) == 0 {
		t.Fatal("no models in testdata")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	read := 0
	for _, f := range files {
		whole, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for range 1500 {
			d := append([]byte(nil), whole...)
			for range 1 + rng.IntN(4) {
				i := rng.IntN(len(d))
				switch rng.IntN(4) {
				case 0:
					d[i] = byte(rng.IntN(256))
				case 1:
					d[i] ^= 1 << rng.IntN(8)
				case 2:
					d = append(d[:i:i], d[min(len(d), i+rng.IntN(40)):]...)
				case 3:
					if rng.IntN(4) == 0 {
						d = d[:i+1]
					}
				}
				if len(d) == 0 {
					break
				}
			}
			start := time.Now()
			net, err := Read(d, Options{})
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("%s: damaged, it took %v", f, took)
			}
			if err != nil {
				continue
			}
			read++
			for _, k := range net.Kernels {
				if back, err := lut.ParseOp(k.Op.String()); err != nil || back.String() != k.Op.String() {
					t.Fatalf("%s: kernel %q has key %q: %v", f, k.Name, k.Op, err)
				}
			}
		}
	}
	if read == 0 {
		t.Error("no damaged file was read: the test looks at the decoder only")
	}
}
