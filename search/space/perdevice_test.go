package space

import (
	"strings"
	"testing"

	"github.com/isocost/isocost/lut"
)

func TestPrecisionPerDevice(t *testing.T) {
	base, err := OpenMeasured("../../examples/tiny-two/space.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPerDevice(base, 2)
	if err != nil {
		t.Fatal(err)
	}
	own := len(base.Precisions(0))
	if got := p.Precisions(0); len(got) != own*own || got[0] != base.Precisions(0)[0]+"/"+base.Precisions(0)[0] {
		t.Errorf("precisions %q of %q", got, base.Precisions(0))
	}
	x := p.Default()
	if err := p.Validate(x); err != nil {
		t.Fatal(err)
	}
	x.Layers[1].Precision = "fp32/int8"
	if err := p.Validate(x); err != nil {
		t.Fatal(err)
	}
	back, err := ParseArch(x.Key())
	if err != nil || back.Key() != x.Key() {
		t.Fatalf("%s is read as %s, %v", x.Key(), back.Key(), err)
	}
	if a, b := p.Project(x, 0), p.Project(x, 1); a.Layers[1].Precision != lut.FP32 || b.Layers[1].Precision != lut.INT8 ||
		base.Validate(a) != nil || base.Validate(b) != nil {
		t.Errorf("projected to %s and %s", a.Key(), b.Key())
	}
	if v := p.Variants(x); len(v) != 2 {
		t.Errorf("%d variants", len(v))
	}
	if v := p.Variants(p.Default()); len(v) != 1 || v[0].Key() != base.Default().Key() {
		t.Errorf("the default has %d variants", len(v))
	}
	if got := p.Lift(base.Default()).Key(); got != p.Default().Key() {
		t.Errorf("lifted: %s", got)
	}
	x.Layers[0].Precision = "fp32"
	if err := p.Validate(x); err == nil || !strings.Contains(err.Error(), "1 precisions for 2 devices") {
		t.Errorf("one precision for two devices: %v", err)
	}
	for _, key := range []string{"a:1:fp32/", "a:1:/int8", "a:1:fp32/fp3"} {
		if _, err := ParseArch(key); err == nil {
			t.Errorf("%s was read", key)
		}
	}
	if _, err := NewPerDevice(base, 1); err == nil {
		t.Error("one device has a precision per device")
	}
}
