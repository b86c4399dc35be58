package costgen

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// written is a source as a record file: each record with its evidence, among visits.
func written(t *testing.T, s Source, finished bool) string {
	t.Helper()
	var text bytes.Buffer
	var chain record.Chain
	put := func(line []byte, err error) {
		if err != nil {
			t.Fatal(err)
		}
		text.Write(chain.Seal(line))
		text.WriteByte('\n')
	}
	header := s.Header
	header.Format, header.Agent, header.Plan, header.Protocol.YAML = record.Format, "test", strings.Repeat("ef", 32), "p: 1\n"
	header.Protocol.SHA256 = fmt.Sprintf("%x", sha256.Sum256([]byte(header.Protocol.YAML)))
	header.Started = cmp.Or(header.Started, "2026-01-01T00:00:00Z")
	put(record.EncodeHeader(header))
	for i, l := range s.Records {
		r := l.Record
		if r.EstimateUS != nil && *r.EstimateUS > 0 && len(r.Terms) == 0 {
			r.Terms = []record.TermSamples{{Coef: 1, Model: r.Case, EstimateUS: *r.EstimateUS, CI95US: *r.CI95US, N: r.N}}
		}
		put(record.EncodeLine(record.Line{Visit: &record.Visit{Round: i, Model: r.Case, US: []float64{1.5, 1.25, 1.75}}}))
		put(record.EncodeLine(record.Line{Record: &r}))
	}
	if finished {
		put(record.EncodeLine(record.Line{End: &record.End{Cases: len(s.Records), Visits: len(s.Records)}}))
	}
	path := filepath.Join(t.TempDir(), s.Name)
	if err := os.WriteFile(path, text.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// flagged gives some records of a campaign codes, noise and energy.
func flagged(s Source, rng *rand.Rand) Source {
	for i := range s.Records {
		r := &s.Records[i].Record
		r.Energy = &record.Energy{GrossMJ: *r.EstimateUS, NetMJ: *r.EstimateUS / 2, StdErrMJ: *r.EstimateUS / 50, Source: "made-up", WindowS: 1}
		if rng.IntN(4) == 0 && r.Kind == role.Cell {
			r.Validity = []record.Validity{[]record.Validity{record.Noisy, record.Drift, record.Throttled}[rng.IntN(3)]}
		}
	}
	return s
}

// A file that is read line by line makes the table that its records in memory make, whatever
// is asked and however many files there are.
func TestFilesCompileAsTheirRecordsDo(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	first := flagged(newDevice(1, 0.01).source(24, 40), rng)
	slower := flagged((&device{rng: rng, noise: 0.02, scale: 1.3, startup: 4}).source(24, 40), rng)
	first.Name, slower.Name, slower.Header.Started = "a.jsonl", "b.jsonl", "2027-01-01T00:00:00Z"
	var files, sources []Source
	for _, s := range []Source{first, slower} {
		path := written(t, s, true)
		opened, err := Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		read, err := record.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		files, sources = append(files, opened), append(sources, FromFile(read[0]))
	}
	for name, opt := range map[string]Options{
		"plain": {}, "energy": {Metric: lut.Energy}, "accepting": {Accept: []record.Validity{record.Noisy, record.Drift}},
		"levelled model": {Level: true, Model: true},
	} {
		for n := 1; n <= 2; n++ {
			got, err := Compile(t.Context(), files[:n], opt)
			want, wrong := Compile(t.Context(), sources[:n], opt)
			if err != nil || wrong != nil {
				t.Fatalf("%s: %v, %v", name, err, wrong)
			}
			if !bytes.Equal(got.Encode(), want.Encode()) {
				t.Errorf("%s: of %d files the table is another than of their records", name, n)
			}
		}
	}
}

// What compiling holds of a file does not grow with what it reads past.
func TestAFileIsNotHeldInMemory(t *testing.T) {
	s := cells(4000, 250)
	s.Name = "large.jsonl"
	path := written(t, s, true)
	size, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	held := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	source, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	s = Source{}
	before, most, n := held(), int64(0), 0
	if err := source.each(t.Context(), func(l *Line) {
		if n++; n%1000 == 0 {
			most = max(most, held()-before)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if n != 4000 || most > size.Size()/2 {
		t.Errorf("%d records; of a file of %d bytes %d were held", n, size.Size(), most)
	}
}

// What is wrong with a file is said when it is read, and a file that changes while it is
// compiled is one that is wrong.
func TestFilesThatAreWrong(t *testing.T) {
	s := newDevice(1, 0.01).source(4, 4)
	whole := written(t, s, true)
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	compile := func(path string) error {
		f, err := Open(t.Context(), path)
		if err != nil {
			return err
		}
		_, err = Compile(t.Context(), []Source{f}, Options{})
		return err
	}
	if err := compile(whole); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"a digit":  {bytes.Replace(data, []byte(`"n":60`), []byte(`"n":61`), 1), ":3: check sum does not fit"},
		"cut":      {data[:bytes.LastIndexByte(data[:len(data)-1], '\n')+1], "the file ends before the campaign does"},
		"no line":  {nil, ":1: no header"},
		"no table": {data[:bytes.IndexByte(data, '\n')+1], "the campaign was interrupted, and its records are written when it ends"},
	} {
		path := filepath.Join(t.TempDir(), "rec.jsonl")
		if err := os.WriteFile(path, test.data, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := compile(path); err == nil || !strings.Contains(err.Error(), test.want) || hint.Of(err) == "" {
			t.Errorf("%s: %v, hint %q", name, err, hint.Of(err))
		}
	}
	if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "absent")); !errors.Is(err, os.ErrNotExist) || hint.Of(err) == "" {
		t.Errorf("an absent file: %v", err)
	}
	if _, err := Open(t.Context(), t.TempDir()); err == nil || hint.Of(err) == "" {
		t.Errorf("a folder: %v", err)
	}
}
