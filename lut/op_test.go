package lut

import "testing"

func TestKeyRoundTrip(t *testing.T) {
	op := NewOp("mbconv", INT8,
		map[string]string{"s": "1", "k": "3", "act": "relu6"},
		map[string]int{"cin": 24, "mid": 72, "cout": 24, "h": 28, "w": 28})
	const want = "mbconv[act=relu6,k=3,s=1]/int8@cin=24,cout=24,h=28,mid=72,w=28"
	if got := op.String(); got != want {
		t.Fatalf("String() = %q, want %q", got, want)
	}
	back, err := ParseOp(want)
	if err != nil {
		t.Fatal(err)
	}
	if back.String() != want {
		t.Errorf("parsed and printed: %q", back)
	}
	if got := back.With("mid", 80).String(); got != "mbconv[act=relu6,k=3,s=1]/int8@cin=24,cout=24,h=28,mid=80,w=28" {
		t.Errorf("With: %q", got)
	}
	if back.String() != want {
		t.Errorf("With changed its receiver: %q", back)
	}
}

func TestParseOpRefuses(t *testing.T) {
	for _, key := range []string{
		"", "conv", "conv/fp31@h=1", "conv[k=3/fp32@h=1", "conv[]/fp32@h=1", "conv[k]/fp32@h=1",
		"conv[s=1,k=3]/fp32@h=1", "conv[k=3,k=3]/fp32@h=1", "Conv/fp32@h=1", "conv/fp32@",
		"conv/fp32@h=0", "conv/fp32@h=01", "conv/fp32@h=-1", "conv/fp32@w=1,h=1", "conv/fp32@h=1,h=2",
		"conv/fp32@h=99999999999999999999", "conv/fp32@h",
	} {
		if op, err := ParseOp(key); err == nil {
			t.Errorf("ParseOp(%q) = %v, want an error", key, op)
		}
	}
}

func FuzzParseOp(f *testing.F) {
	f.Add("mbconv[act=relu6,k=3,s=1]/int8@cin=24,cout=24,h=28,mid=72,w=28")
	f.Add("gap/fp32@c=8,h=1,w=1")
	f.Fuzz(func(t *testing.T, key string) {
		op, err := ParseOp(key)
		if err == nil && op.String() != key {
			t.Fatalf("accepted %q but prints %q", key, op)
		}
	})
}
