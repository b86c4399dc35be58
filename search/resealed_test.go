package search_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/searchtest"
)

// reseal gives lines of a journal the check sums that fit them, as someone would
// who knows the format.
func reseal(lines []string) string {
	var b strings.Builder
	prev := ""
	for _, line := range lines {
		at := strings.LastIndex(line, `,"sum":"`)
		object := line[:at] + "}"
		sum := sha256.Sum256([]byte(prev + "\n" + object))
		prev = hex.EncodeToString(sum[:])[:32]
		b.WriteString(line[:at] + `,"sum":"` + prev + "\"}\n")
	}
	return b.String()
}

// TestVerifyRecomputesResealedJournals changes fields of the journal, one at a
// time, and makes the check sums fit again: what then fails is the recomputation.
func TestVerifyRecomputesResealedJournals(t *testing.T) {
	tier.Sequential(t, "verifies hundreds of changed journals")
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			j := job{Table: writeTable(t, dir), Out: filepath.Join(dir, "r"), Workers: 1}
			k.change(&j)
			if _, err := j.run(context.Background()); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(j.Out, search.JournalFile)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
			if reseal(lines) != string(data) {
				t.Fatal("sealing the journal again changes it: the test does not know the format")
			}
			seen, tried := map[string]int{}, 0
			for i, line := range lines {
				kind := line[:min(len(line), 14)]
				if strings.Contains(line, `"fidelity"`) {
					kind += " low"
				}
				if seen[kind]++; seen[kind]%25 != 1 || seen[kind] > 50 {
					continue
				}
				at := strings.LastIndex(line, `,"sum":"`)
				for _, changed := range searchtest.Mutations(line[:at]) {
					mutated := append([]string(nil), lines...)
					mutated[i] = changed + line[at:]
					if err := os.WriteFile(path, []byte(reseal(mutated)), 0o644); err != nil {
						t.Fatal(err)
					}
					tried++
					if _, err := verify(j.Out); err == nil {
						t.Errorf("line %d: %q passes as %q", i+1, line[:at], changed)
					}
				}
			}
			t.Logf("%d changes tried", tried)
			if tried < 100 {
				t.Errorf("only %d changes were tried", tried)
			}
		})
	}
}
