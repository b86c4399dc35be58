package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/internal/hint"
)

// TestDamagedRecordsAreSaid: a file of the format without sums that ends before its campaign, or
// in which a letter of a key changed, makes no table.
func TestDamagedRecordsAreSaid(t *testing.T) {
	whole := campaign(70)
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"whole", whole, ""},
		{"cut in a line", whole[:len(whole)-200], ":112: the file ends before the campaign does"},
		{"cut between lines", whole[:bytes.LastIndexByte(whole[:len(whole)-1], '\n')+1], "the file ends before the campaign does"},
		{"a letter of a cell", bytes.Replace(whole, []byte("cin=8,cout=16,h=14,w=14"), []byte("cin=8,cout=16,h=14,s=14"), 1), "conv has axes"},
		{"a letter of a network", bytes.Replace(whole, []byte(`"ops":["conv[k=1`), []byte(`"ops":["conv[q=1`), 1), "record of case case013"},
	} {
		path := filepath.Join(t.TempDir(), "rec.jsonl")
		if err := os.WriteFile(path, c.data, 0o666); err != nil {
			t.Fatal(err)
		}
		sources, err := openSources(t.Context(), []string{path})
		if err == nil {
			_, err = costgen.Compile(t.Context(), sources, costgen.Options{})
		}
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), path+":") || !strings.Contains(hint.Of(err), "agent records --recover") {
			t.Errorf("%s: %v, hint %q", c.name, err, hint.Of(err))
		}
	}
}
