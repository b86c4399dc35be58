package agent

import (
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/hint"
)

func TestProtocolCanonicalIsAFixedPoint(t *testing.T) {
	p := DefaultProtocol()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	q, err := ParseProtocol("p", []byte(p.Canonical()))
	if err != nil {
		t.Fatal(err)
	}
	if q.Canonical() != p.Canonical() || q.SHA256() != p.SHA256() {
		t.Error("reading the canonical text changed it")
	}
	r, err := ParseProtocol("p", []byte("# comment\nestimator: min\nformat: isocost/protocol/v1\nstop: {interval: 0.02}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Estimator != "min" || r.Stop.Interval != 0.02 || r.Stop.MinSamples != p.Stop.MinSamples {
		t.Errorf("defaults are not kept: %+v", r.Stop)
	}
	if r.SHA256() == p.SHA256() {
		t.Error("another protocol has the same hash")
	}
}

func TestProtocolErrorsNameTheirLines(t *testing.T) {
	const head = "format: isocost/protocol/v1\n"
	for _, c := range []struct{ text, want string }{
		{"", `p.yaml:1: format: "" is not`},
		{"format: isocost/protocol/v2\n", "p.yaml:1: format"},
		{"format: isocost/protocol/v1\ncheck: {tolerance: {fp13: 0.1}}\n", `unknown precision "fp13"`},
		{head + "batch: 1\nwarmpu: {}\n", `p.yaml:3: unknown field "warmpu"`},
		{head + "stop:\n  interval: 0.01\n  intreval: 2\n", `p.yaml:4: unknown field "intreval"`},
		{head + "batch: many\n", "p.yaml:2: `many` where a whole number belongs"},
		{head + "threads: 1.5\n", "p.yaml:2: threads: 1.5 where a whole number belongs"},
		{head + "stop: [1, 2]\n", "p.yaml:2: a list where a mapping belongs"},
		{head + "stop:\n  level: 1.5\n", "p.yaml:3: stop.level: 1.5 is not from 0.5 to 0.9999"},
		{head + "stop:\n  level: .nan\n", "p.yaml:3: stop.level: NaN is not"},
		{head + "estimator: mean\n", `p.yaml:2: estimator: "mean" is not median`},
		{head + "cores: huge\n", `p.yaml:2: cores: "huge"`},
		{head + "metrics: [energy]\n", "p.yaml:2: metrics: latency is always"},
		{head + "clock: fast\nthreads: 0\n", "p.yaml:3: threads: 0"},
		{head + "batch: [1\n", "p.yaml:"},
		{head + "---\nbatch: 2\n", "more than one document"},
	} {
		_, err := ParseProtocol("p.yaml", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\n error %v\n want  %s", c.text, err, c.want)
		} else if hint.Of(err) == "" {
			t.Errorf("%q: no hint", c.text)
		}
	}
	_, err := ParseProtocol("p.yaml", []byte(head+"clock: fast\nthreads: 0\n"))
	if !strings.Contains(err.Error(), "p.yaml:2: clock") || !strings.Contains(err.Error(), "p.yaml:3: threads") {
		t.Errorf("not every problem is listed: %v", err)
	}
}

func FuzzProtocol(f *testing.F) {
	f.Add([]byte(DefaultProtocol().Canonical()))
	f.Add([]byte("format: isocost/protocol/v1\ncheck: {tolerance: {fp32: 1e-3}}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParseProtocol("f", data)
		if err != nil {
			return
		}
		q, err := ParseProtocol("f", []byte(p.Canonical()))
		if err != nil || q.Canonical() != p.Canonical() {
			t.Fatalf("canonical text is not a fixed point: %v", err)
		}
	})
}
