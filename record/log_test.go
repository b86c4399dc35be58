package record

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// A log is read alike however its bytes come, lines longer than its buffer among them, and
// each line's row is right.
func TestLogsAreReadInPieces(t *testing.T) {
	long := goodRecord("c3")
	long.Detail = strings.Repeat("x", 1<<17)
	long.Validity = []Validity{Noisy}
	lines := []Line{{Visit: &Visit{Model: "a", US: []float64{1}}}, {Record: &long}, {Visit: &Visit{Model: "a", Seq: 1, US: []float64{1}}}, {End: &End{Cases: 1}}}
	data := append(file(t, goodHeader(), lines...), `{"torn`...)
	for _, in := range []io.Reader{bytes.NewReader(data), iotest.HalfReader(bytes.NewReader(data)), iotest.DataErrReader(bytes.NewReader(data))} {
		l, err := newLog(t.Context(), "x", in)
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.file()
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Records) != 1 || f.Records[0].Row != 3 || len(f.Journal) != 3 || f.End == nil || string(f.Torn) != `{"torn` {
			t.Errorf("%d records, the first in line %v; %d others, end %v, torn %q", len(f.Records), f.Records, len(f.Journal), f.End, f.Torn)
		}
	}
	if _, err := newLog(t.Context(), "x", iotest.ErrReader(io.ErrClosedPipe)); err == nil || !strings.Contains(err.Error(), "closed pipe") {
		t.Errorf("a reader that fails: %v", err)
	}
}
