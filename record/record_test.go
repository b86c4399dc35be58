package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func goodHeader() Header {
	yaml := "estimator: median\n"
	return Header{
		Format: Format, Agent: "test", Started: "2026-01-02T03:04:05Z", Plan: hash("plan"),
		Protocol: lut.Protocol{SHA256: hash(yaml), YAML: yaml},
		Device:   lut.Device{ID: "d", Model: "m", OS: "linux", Arch: "amd64"},
		Runtime:  lut.Runtime{Library: lut.Library{Backend: "sim", Version: "1", Provider: "cpu"}, Threads: 1},
	}
}

func ptr[T any](v T) *T { return &v }

func goodRecord(id string) Record {
	key := lut.NewOp("conv", lut.FP32, map[string]string{"k": "3"}, map[string]int{"cin": 8, "cout": 8})
	return Record{
		Kind: "cell", Case: id, Key: &key, Validity: []Validity{OK},
		EstimateUS: ptr(12.5), CI95US: &Interval{12, 13}, N: 50, MedianUS: ptr(12.6), MADUS: ptr(0.1),
		Rounds: 10, Stop: "target",
		Terms: []TermSamples{{Coef: 1, Model: "a", EstimateUS: 20, CI95US: Interval{19, 21}, N: 25}},
	}
}

// file encodes a record file.
func file(t testing.TB, header Header, lines ...Line) []byte {
	t.Helper()
	chain := Chain{Plain: header.Format == FormatV1}
	h, err := EncodeHeader(header)
	if err != nil {
		t.Fatal(err)
	}
	out := append(chain.Seal(h), '\n')
	for _, l := range lines {
		b, err := EncodeLine(l)
		if err != nil {
			t.Fatal(err)
		}
		out = append(append(out, chain.Seal(b)...), '\n')
	}
	return out
}

// linesOf are the lines of a file behind its header.
func linesOf(f *File) []Line {
	all := append(slices.Clone(f.Journal), f.Records...)
	slices.SortFunc(all, func(a, b Entry) int { return a.Row - b.Row })
	var out []Line
	for _, e := range all {
		out = append(out, e.Line)
	}
	return out
}

// good is a whole file, old the same of FormatV1, without sums.
func good(t testing.TB) []byte { return example(t, goodHeader()) }

func old(t testing.TB) []byte {
	h := goodHeader()
	h.Format = FormatV1
	return example(t, h)
}

func example(t testing.TB, header Header) []byte {
	r, failed := goodRecord("c1"), goodRecord("c2")
	failed.Validity, failed.Detail = []Validity{"crashed:SIGSEGV"}, "signal <11> & more"
	failed.EstimateUS, failed.CI95US, failed.MedianUS, failed.MADUS, failed.Terms, failed.N = nil, nil, nil, nil, nil, 0
	failed.Stop = "failed"
	return file(t, header,
		Line{Group: &Group{Models: []string{"a", "b"}}},
		Line{Start: &Start{What: "open", Models: []string{"a"}}},
		Line{Open: &Open{Model: "a", LoadUS: 10, FirstUS: 5, WarmRuns: 10, WarmRule: "count", Repeat: 3}},
		Line{Visit: &Visit{Round: 0, Seq: 0, Model: "a", AtS: 0.5, US: []float64{1.25, 1.5}, Preempted: []int{1}}},
		Line{Round: &Round{Index: 0, DeviceS: 0.7, ReferenceRatio: 1}},
		Line{Fault: &Fault{Model: "b", Validity: "crashed:SIGSEGV", Final: true}},
		Line{Record: &r}, Line{Record: &failed},
		Line{End: &End{Cases: 2, Failed: 1, DeviceS: 0.7, Visits: 1}},
	)
}

func TestRecordsRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rec.jsonl")
	data := good(t)
	if err := os.WriteFile(path, append(data, []byte(`{"visit":{"gro`)...), 0o666); err != nil {
		t.Fatal(err)
	}
	files, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	f := files[0]
	if len(f.Records) != 2 || len(f.Journal) != 7 || f.End == nil || string(f.Torn) != `{"visit":{"gro` {
		t.Fatalf("records %d, journal %d, end %v, torn %q", len(f.Records), len(f.Journal), f.End, f.Torn)
	}
	if got := f.Records[1].Row; got != 9 {
		t.Errorf("second record in line %d", got)
	}
	if again := file(t, f.Header, linesOf(f)...); !bytes.Equal(again, data) {
		t.Errorf("encoding again gives other bytes:\n%s\n%s", again, data)
	}
}

func TestDecodeRefuses(t *testing.T) {
	cases := []struct{ name, old, new, want string }{
		{"other version", "records/v1", "records/v9", ":1: not a record file"},
		{"other file", `"isocost/records/v1"`, `"something"`, ":1: not a record file"},
		{"wrong protocol hash", "estimator: median", "estimator: min", ":1: header: protocol"},
		{"unknown header field", `"agent":`, `"agnt":`, `:1: header: unknown field "agnt"`},
		{"unknown field", `"load_us":`, `"load":`, `:4: unknown field`},
		{"case differs", `"load_us":`, `"LOAD_US":`, `:4: not canonical at column`},
		{"NaN", `"load_us":10`, `"load_us":NaN`, `:4: invalid character 'N'`},
		{"negative sample", `"us":[1.25,`, `"us":[-1.25,`, `:5: visit: a sample of -1.25`},
		{"preempted beyond", `"preempted":[1]`, `"preempted":[2]`, `:5: visit: preempted index 2`},
		{"negative cost", `"estimate_us":12.5,"ci95_us":[12,13]`, `"estimate_us":-12.5,"ci95_us":[-13,-12]`, "is not positive and yet ok"},
		{"cost outside its interval", `"ci95_us":[12,13]`, `"ci95_us":[13,14]`, "does not hold the cost"},
		{"cost without interval", `"ci95_us":[12,13],`, ``, "without its interval"},
		{"unknown validity", `"validity":["ok"]`, `"validity":["fine"]`, `unknown validity "fine"`},
		{"ok and not", `"validity":["ok"]`, `"validity":["noisy","ok"]`, `with other codes`},
		{"failure with a cost", `"validity":["ok"]`, `"validity":["timeout"]`, `a cost with "timeout"`},
		{"bad key", `/fp32@`, `/fp33@`, `unknown precision "fp33"`},
		{"case twice", `"case":"c2"`, `"case":"c1"`, `:9: case c1 has a record already, on line 8`},
		{"record taken out", `{"end":{"cases":2`, `{"end":{"cases":3`, ":10: the campaign ended with 3 cases, and the file holds the records of 2"},
		{"two ends", `{"fault":{"model":"b","validity":"crashed:SIGSEGV","final":true}}`, `{"end":{"cases":2,"failed":1,"flagged":0,"device_s":0.7,"visits":1}}`, ":10: the campaign ended already, on line 7"},
		{"run together", `{"round":`, `{"format":`, ":6: a second header"},
		{"Windows", `"provider":"cpu","threads":1}}`, `"provider":"cpu","threads":1}}` + "\r", ":1: lines end in CR LF"},
		{"two in one", `{"round":`, `{"end":{"cases":0,"failed":0,"flagged":0,"device_s":0,"visits":0},"round":`, "exactly one of"},
		{"spaces", `{"round":`, `{ "round":`, "not canonical at column 2"},
		{"trailing", `"device_s":0.7}}`, `"device_s":0.7}}{}`, "follows the value"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			data := string(old(t)) // without sums: what is wrong is found all the same
			changed := strings.Replace(data, c.old, c.new, 1)
			if changed == data {
				t.Fatalf("%q does not occur", c.old)
			}
			_, err := Decode("rec.jsonl", []byte(changed))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "rec.jsonl:") {
				t.Fatalf("error %v, want rec.jsonl:LINE… %q", err, c.want)
			}
			if hint.Of(err) == "" {
				t.Error("no hint")
			}
		})
	}
	if _, err := Decode("x", []byte(`{"format"`)); err == nil || !strings.Contains(err.Error(), "x:1: no header") {
		t.Errorf("a torn header gives %v", err)
	}
	if _, err := Read(filepath.Join(t.TempDir(), "absent")); err == nil || hint.Of(err) == "" {
		t.Errorf("an absent file gives %v", err)
	}
}

// Lines behind the header may be shuffled where no sums chain them: the file says the same.
func TestLinesMayStandInAnyOrder(t *testing.T) {
	lines := bytes.SplitAfter(old(t), []byte("\n"))
	body := lines[1 : len(lines)-1]
	slices.Reverse(body)
	f, err := Decode("rec.jsonl", bytes.Join(lines, nil))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Records) != 2 || len(f.Journal) != 7 || f.End == nil {
		t.Errorf("records %d, journal %d, end %v", len(f.Records), len(f.Journal), f.End)
	}
}

func encoded(t testing.TB, f *File) []byte { return file(t, f.Header, linesOf(f)...) }

func FuzzDecode(f *testing.F) {
	data := good(f)
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add(old(f))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Decode("f", data)
		if err != nil {
			return
		}
		// What was accepted encodes to the same bytes: nothing is lost or guessed.
		out := encoded(t, file)
		if out = append(out, file.Torn...); !bytes.Equal(out, data) {
			t.Fatalf("decoded and encoded differ:\n%q\n%q", data, out)
		}
	})
}
