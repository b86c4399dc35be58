package docstest

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/anchors"
	"github.com/isocost/isocost/search/space"
)

// records reads a record file and writes it again.
func records(t *testing.T, data []byte) ([]byte, error) {
	f, err := record.Decode("rec.jsonl", data)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	chain := record.Chain{Plain: f.Header.Format == record.FormatV1}
	line, err := record.EncodeHeader(f.Header)
	if err != nil {
		return nil, err
	}
	out.Write(append(chain.Seal(line), '\n'))
	rows := map[int]record.Line{}
	last := 1
	for _, e := range append(f.Records, f.Journal...) {
		rows[e.Row] = e.Line
		last = max(last, e.Row)
	}
	for row := 2; row <= last; row++ {
		line, err := record.EncodeLine(rows[row])
		if err != nil {
			return nil, err
		}
		out.Write(append(chain.Seal(line), '\n'))
	}
	return out.Bytes(), nil
}

// codecs read a vector and write it again in canonical form. Formats that people
// write by hand (YAML, a table's rows) have no canonical form: nil.
var codecs = map[string]func(t *testing.T, data []byte) ([]byte, error){
	"plan.jsonl": func(_ *testing.T, data []byte) ([]byte, error) {
		p, err := benchmarks.ReadPlan("plan.jsonl", data)
		if err != nil {
			return nil, err
		}
		return p.Encode(), nil
	},
	"rec.jsonl": records, "rec-v2.jsonl": records, // without and with sums
	"device.lut.json": func(_ *testing.T, data []byte) ([]byte, error) {
		tab, err := lut.Decode(data)
		if err != nil {
			return nil, err
		}
		return tab.Encode(), nil
	},
	"run/best.json": func(t *testing.T, data []byte) ([]byte, error) {
		s := openSpace(t, "table.jsonl")
		a, err := space.DecodeArch(s, "arch.json", data)
		if err != nil {
			return nil, err
		}
		return space.EncodeArch(s, a)
	},
	"run/certificate.json": func(_ *testing.T, data []byte) ([]byte, error) {
		c, err := search.DecodeCertificate("certificate.json", data)
		if err != nil {
			return nil, err
		}
		return c.Encode()
	},
	"several/pareto.json": func(_ *testing.T, data []byte) ([]byte, error) {
		s, err := anchors.Decode("pareto.json", data)
		if err != nil {
			return nil, err
		}
		return s.Encode()
	},
	"run/journal.jsonl": func(_ *testing.T, data []byte) ([]byte, error) {
		_, err := search.DecodeJournal("journal.jsonl", data)
		return data, err // each line carries a check sum of its exact bytes
	},
}

func openSpace(t *testing.T, name string) space.Space {
	t.Helper()
	s, err := space.Open(filepath.Join(root, "testdata", "vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The vectors are read, written again byte for byte, and refused when cut or when
// a field is unknown. A format that changes must change its version.
func TestVectorsAreListed(t *testing.T) {
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(root, "testdata", "vectors", name))
			if err != nil {
				t.Fatal(err)
			}
			again, err := codec(t, data)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again, data) {
				t.Error("is not written as it was read")
			}
			bad := bytes.Replace(data, []byte(`"format":`), []byte(`"formats":`), 1)
			if _, err := codec(t, bad); err == nil {
				t.Error("an unknown field is accepted")
			} else if !strings.Contains(err.Error(), ":") {
				t.Errorf("the error %q does not say where", err)
			}
			if _, err := codec(t, data[:len(data)/2]); err == nil && name != "rec.jsonl" && name != "rec-v2.jsonl" && name != "run/journal.jsonl" { // logs lose a torn last line, nothing else
				t.Error("half the file is accepted")
			}
		})
	}
}

func TestHandwrittenVectors(t *testing.T) {
	if n := openSpace(t, "space.yaml").Layers(); n != 2 {
		t.Errorf("space.yaml has %d layers, want 2", n)
	}
	p, err := agent.ReadProtocol(filepath.Join(root, "testdata", "vectors", "protocol.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Estimator != "min" || p.Stop.MaxRounds != 3 {
		t.Errorf("protocol.yaml reads as %+v", p)
	}
}

// The vector's certificate follows from its journal.
func TestVectorRunVerifies(t *testing.T) {
	dir := filepath.Join(root, "testdata", "vectors", "run")
	v, err := search.Verify(dir, func(h search.Header) (search.Problem, error) { return search.OpenRun(dir, h) })
	if err != nil {
		t.Fatal(err)
	}
	if !v.Certificate.Claim.Reached {
		t.Error("the vector's claim was not reached")
	}
}

// The vector of several anchors follows from its searches, and no number of it can
// be another.
func TestVectorOfSeveralAnchorsVerifies(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "testdata", "vectors", "several"))); err != nil {
		t.Fatal(err)
	}
	if _, err := anchors.Verify(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, anchors.ParetoFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	numbers := regexp.MustCompile(`[0-9]+(\.[0-9]+)?`).FindAllIndex(data, -1)
	if len(numbers) < 20 {
		t.Fatalf("pareto.json has %d numbers", len(numbers))
	}
	for _, at := range numbers {
		forged := slices.Clone(data)
		last := at[1] - 1
		forged[last] = '0' + (forged[last]-'0'+1)%10
		if err := os.WriteFile(path, forged, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := anchors.Verify(dir); err == nil {
			t.Errorf("a forged number goes unnoticed: %s", forged[max(0, at[0]-30):at[1]])
		}
	}
}
