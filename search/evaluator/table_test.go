package evaluator

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/hint"
)

// A value that is a number, but whose square is none, ends the search before it begins and
// not in the middle of its journal.
func TestTableRefusesUtilitiesWithoutSquares(t *testing.T) {
	for value, ok := range map[string]bool{"1e308": false, "-1e308": false, "1e140": true, "-3": true} {
		path := filepath.Join(t.TempDir(), "t.jsonl")
		row := `{"arch":"a","utility":[0.5,` + value + `]}` + "\n"
		if err := os.WriteFile(path, []byte(row), 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := OpenTable(path, 1)
		if (err == nil) != ok || err != nil && (!strings.Contains(err.Error(), "t.jsonl:1: ") || hint.Of(err) == "") {
			t.Errorf("%s: %v", value, err)
		}
	}
}
