package onnxreader

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/onnx"
)

// Exported networks are not part of the repository: scripts/export_models.py -o DIR
// makes them, and ISOCOST_MODELS=DIR has every one read. Law: each node of the file
// is in exactly one kernel, or free, or listed. What is listed, and kernels that no
// plan can measure, are in the log.
func TestExportedModels(t *testing.T) {
	dir := os.Getenv("ISOCOST_MODELS")
	if dir == "" {
		t.Skip("set ISOCOST_MODELS to a folder of models (scripts/export_models.py makes one)")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no models in %s", dir)
	}
	reasons, unplanned := map[string]int{}, map[string]int{}
	for _, f := range files {
		net, err := ReadFile(f, Options{})
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m, err := onnx.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		plan := &benchmarks.Planner{Cold: true}
		for _, k := range net.Kernels {
			if err := plan.Cell(k.Op); err != nil {
				unplanned[err.Error()]++
			}
			for _, part := range k.Nodes {
				seen[part]++
			}
		}
		for _, fr := range net.Free {
			seen[fr.Op+" "+fr.Name]++
		}
		for _, u := range net.Unpriced {
			seen[u.Op+" "+u.Name]++
			if !strings.HasPrefix(u.Reason, "the shape of its input") { // only where it starts
				reasons[u.Op+": "+u.Reason]++
			}
		}
		total := 0
		for part, k := range seen {
			total += k
			if k != 1 {
				t.Errorf("%s: node %s is accounted for %d times", f, part, k)
			}
		}
		if len(m.Functions) == 0 && total != len(m.Graph.Nodes) {
			t.Errorf("%s: %d nodes, %d accounted for", f, len(m.Graph.Nodes), total)
		}
		kinds := map[string]int{}
		for _, k := range net.Kernels {
			kinds[k.Op.Kind]++
		}
		t.Logf("%s: %d nodes, %d kernels %v, %d free, %d unpriced %v", strings.TrimSuffix(filepath.Base(f), ".onnx"), len(m.Graph.Nodes),
			len(net.Kernels), kinds, len(net.Free), len(net.Unpriced), net.Warnings)
	}
	for r, k := range reasons {
		t.Logf("unpriced ×%d: %s", k, r)
	}
	for r, k := range unplanned {
		t.Logf("not planned ×%d: %s", k, r)
	}
}
