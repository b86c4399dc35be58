package record

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/strictjson"
)

// lines are objects of record files, one of each form.
func lines(t testing.TB) []string {
	full, failed, network := goodRecord("c1"), goodRecord("c2"), goodRecord("c3")
	full.Name, full.Set, full.Execution, full.Detail = "a name", "train", Native, "Δ, é"
	full.WithinUS, full.BetweenUS, full.ReferenceRatio, full.IsolatedUS, full.SecondContextUS = ptr(0.1), ptr(1e-9), ptr(1.0), ptr(20.0), ptr(-0.5)
	full.GroupRatio, full.Context = 1.01, 0.03
	full.Terms = append(full.Terms, TermSamples{Coef: -1, Model: "b", EstimateUS: 1e22, CI95US: Interval{1, 1e23}, N: 3, Preempted: 1, Outliers: 2})
	full.Memory = &Memory{WeightsBytes: ptr(int64(5)), PeakRSSBytes: ptr(int64(1) << 40), Source: Heap}
	failed.Validity, failed.Detail = []Validity{"crashed:SIGSEGV", Noisy}, "signal <11> & \"more\""
	failed.EstimateUS, failed.CI95US, failed.MedianUS, failed.MADUS, failed.Terms, failed.N = nil, nil, nil, nil, nil, 0
	network.Kind, network.Key, network.Energy = "e2e", nil, &Energy{GrossMJ: 2, IdleMJ: 1, NetMJ: 1, Source: "battery", WindowS: 3}
	network.Memory = &Memory{LivenessBytes: ptr(int64(7))}
	network.Ops = append(network.Ops, *full.Key)
	var out []string
	for _, l := range []Line{
		{Record: &full}, {Record: &failed}, {Record: &network},
		{Visit: &Visit{Group: 1, Round: 2, Seq: 3, Model: "a", AtS: 0.5, US: []float64{1.25, 1e21, 3}, Preempted: []int{1, 2}}},
		{Visit: &Visit{Model: "a \"b\"", US: []float64{7}}},
		{Group: &Group{Models: []string{"a", "b"}}}, {End: &End{Cases: 2, Visits: 1}},
	} {
		text, err := EncodeLine(l)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(text))
	}
	return out
}

// slowly is what parse does, by strictjson alone.
func slowly(object []byte) (l Line, err error) {
	if err := strictjson.Known(object, &l); err != nil {
		return l, err
	}
	if err := l.Validate(); err != nil {
		return l, err
	}
	return l, canonical(object, l)
}

func checkParse(t *testing.T, object []byte) (read bool) {
	want, wrong := slowly(object)
	var got Line
	err := newDecoder("").parse(object, &got)
	if fmt.Sprint(err) != fmt.Sprint(wrong) {
		t.Fatalf("%s:\n%v, want %v", object, err, wrong)
	}
	if err == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n%+v, want %+v", object, got, want)
	}
	return err == nil
}

// Lines are read as strictjson reads them, and refused for the same reasons: whole ones, and
// with a byte or a piece that was changed, lost or duplicated.
func TestLinesAreReadAlike(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	all := lines(t)
	read := 0
	for _, line := range all {
		if !checkParse(t, []byte(line)) {
			t.Errorf("%s is refused", line)
		}
		for range 400 {
			b, i := []byte(line), rng.IntN(len(line))
			j := min(len(b), i+rng.IntN(20))
			switch rng.IntN(4) {
			case 0:
				b[i] = `0123456789.,:"\-+e[]{} nu`[rng.IntN(24)]
			case 1:
				b = append(b[:i:i], b[j:]...)
			case 2:
				b = append(b[:j:j], b[i:]...)
			case 3:
				other := all[rng.IntN(len(all))]
				b = append(b[:i:i], other[rng.IntN(len(other)):]...)
			}
			if checkParse(t, b) {
				read++
			}
		}
	}
	if read < 20 {
		t.Errorf("only %d changed lines are lines", read)
	}
}

func FuzzLine(f *testing.F) {
	for _, line := range lines(f) {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, object []byte) { checkParse(t, object) })
}

func BenchmarkDecode(b *testing.B) {
	var all []Line
	for i := range 2000 {
		r := goodRecord(fmt.Sprint("c", i))
		all = append(all, Line{Record: &r}, Line{Visit: &Visit{Round: i, Model: strings.Repeat("m", 8), US: []float64{1.25, 1.5, 1.75}}})
	}
	data := file(b, goodHeader(), all...)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode("b", data); err != nil {
			b.Fatal(err)
		}
	}
}
