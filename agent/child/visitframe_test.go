package child

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
)

func someVisits() []Report {
	return []Report{
		{Model: "m1", Next: "m2", T: 1.25, RSS: 1 << 40, HWM: 3, Visit: &Taken{Seq: 7, AtS: 0.1, US: []float64{1, 2.5, 1e-9}, Preempted: []int{0, 2}}},
		{Model: "größe", T: 1e9, Visit: &Taken{US: []float64{3}}},
	}
}

func TestVisitFrames(t *testing.T) {
	var stream bytes.Buffer
	for _, r := range someVisits() {
		stream.Write(appendFrame(nil, visitMagic, appendVisit(nil, r)))
	}
	whole := stream.Bytes()
	in := bytes.NewReader(whole)
	for _, want := range someVisits() {
		var got Report
		if err := readFrame(in, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("read %+v %+v, %v; want %+v %+v", got, got.Visit, err, want, want.Visit)
		}
	}
	if err := readFrame(in, &Report{}); err != io.EOF {
		t.Errorf("after the last frame: %v", err)
	}
	if err := readFrame(bytes.NewReader(whole), &Request{}); !errors.Is(err, errGarbage) {
		t.Errorf("a visit where a request belongs: %v", err)
	}
	one := appendVisit(nil, someVisits()[0])
	for n := range one {
		if parseVisit(one[:n], &Report{}) {
			t.Errorf("%d of %d bytes are taken for a visit", n, len(one))
		}
	}
	if parseVisit(append(one, 0), &Report{}) {
		t.Error("a byte too many is not seen")
	}
}

// FuzzVisitFrame: bytes are not a visit, or are one that is written as it was read.
func FuzzVisitFrame(f *testing.F) {
	for _, r := range someVisits() {
		f.Add(appendVisit(nil, r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again Report
		if !parseVisit(b, &r) {
			return
		}
		text := appendVisit(nil, r)
		if !parseVisit(text, &again) || !bytes.Equal(appendVisit(nil, again), text) {
			t.Errorf("%+v is not read as it was written", r)
		}
	})
}
