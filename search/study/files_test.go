package study

import (
	"context"
	"hash/fnv"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// made up utilities of networks, by their keys.
type madeUp struct{}

func (madeUp) Identity() search.Identity { return search.Identity{Spec: "made up"} }

func (madeUp) Evaluate(_ context.Context, q search.Request) (search.Answer, error) {
	h := fnv.New64a()
	h.Write([]byte(q.Key))
	return search.Answer{Utility: float64(h.Sum64()%1000) / 1000}, nil
}

// Every study of networks that the repository has runs, with one short search per method, on
// made-up utilities and counted costs: what it asks for is there. Those of a published benchmark
// run with their scripts in internal/docstest.
func TestStudyFilesOfNetworksRun(t *testing.T) {
	files, err := filepath.Glob("../../studies/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no studies: %v", err)
	}
	networks := 0
	for _, file := range files {
		c, err := OpenConfig(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if strings.HasPrefix(c.Evaluator, "table:") {
			continue
		}
		networks++
		t.Run(filepath.Base(file), func(t *testing.T) {
			c.RandomAnchors, c.Seeds, c.Budget, c.Fresh, c.Measure = 1, []uint64{1}, 12, 2, nil
			for i, table := range c.Tables {
				if strings.HasSuffix(table, ".lut.json") { // measured where the study is run
					c.Tables[i] = "space:flops"
				}
			}
			made := func(context.Context, string, space.Space, uint64) (search.Evaluator, error) { return madeUp{}, nil }
			res, err := (&Study{Config: *c, Dir: t.TempDir(), Open: made}).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if want := len(c.Methods) * len(c.Tables) * (len(c.Anchors) + 1); len(res.Units) != want {
				t.Errorf("%d searches, want %d", len(res.Units), want)
			}
		})
	}
	if networks == 0 {
		t.Error("no study of networks")
	}
}
