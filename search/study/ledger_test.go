package study

import (
	"bytes"
	"math"
	"regexp"
	"testing"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search"
)

// What a ledger accepts is one outcome a line, and nothing of a refused file is used.
func FuzzLedger(f *testing.F) {
	f.Add([]byte(`{"arch":"0|1","seed":7,"utility":0.5}` + "\n" + `{"arch":"0|2","seed":7,"failed":"out of memory"}` + "\n"))
	f.Add([]byte(`{"arch":"0|1","seed":7,"utility":0.5}{}` + "\n"))
	f.Add([]byte(`{"arch":"0|1","seed":7,"utility":0.5,"Utility":1}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &ledger{known: map[sampleID]search.Outcome{}}
		err := l.read("l.jsonl", data)
		if err != nil {
			if !regexp.MustCompile(`^l\.jsonl:[1-9]`).MatchString(err.Error()) || hint.Of(err) == "" {
				t.Fatalf("%v, hint %q", err, hint.Of(err))
			}
			return
		}
		if len(l.known) > bytes.Count(data, []byte("\n"))+1 {
			t.Fatalf("%d outcomes in %q", len(l.known), data)
		}
		for id, o := range l.known {
			if id.arch == "" || math.IsNaN(o.Utility) || math.IsInf(o.Utility, 0) || o.Failed != "" && o.Utility != 0 {
				t.Fatalf("%q: %v %+v", data, id, o)
			}
		}
	})
}
