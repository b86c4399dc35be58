package report

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/evaluator"
	"github.com/isocost/isocost/search/space"
	"github.com/isocost/isocost/search/study"
)

// The shipped study, smaller, really run and drawn.
func TestStudyReport(t *testing.T) {
	if testing.Short() {
		t.Skip("opens the page in Chromium: make test")
	}
	config, err := study.OpenConfig(filepath.Join("..", "examples", "study", "study.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	config.RandomAnchors, config.Budget, config.Seeds = 1, 400, config.Seeds[:1]
	if err := config.AddSelectors([]string{"lucb", "elimination", "uniform"}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if IsStudy(dir) {
		t.Error("an empty folder passes for a study")
	}
	s := study.Study{Config: *config, Dir: dir, Open: func(ctx context.Context, spec string, sp space.Space, seed uint64) (search.Evaluator, error) {
		return evaluator.Open(ctx, spec, evaluator.Options{Space: sp, Seed: seed, Workers: 1})
	}}
	if _, err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !IsStudy(dir) {
		t.Error("a study passes for a run")
	}
	results, err := OpenStudy(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Study(&b, results); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Gain and cost on space:cpu_us", "Gain and cost on space:dsp_us", "Selectors", "elimination, 2 pairs", "Fronts", "Carried to another table", "What the proxy is worth", "Every search", "as-published"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	inChromium(t, "study", b.Bytes())
}

func TestUnfinishedStudySaysHowToGoOn(t *testing.T) {
	_, err := OpenStudy(t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "results.json") {
		t.Errorf("error %v does not name the file", err)
	}
}
