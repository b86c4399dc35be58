package lut

import "testing"

func TestBatchOfAProtocol(t *testing.T) {
	for _, test := range []struct {
		yaml  string
		want  int
		known bool
	}{
		{"", 1, false},
		{"format: isocost/protocol/v1\nbatch: 8\nresolution: 0\n", 8, true},
		{"format: isocost/protocol/v1\nbatch: 0\n", 1, true},
		{"format: isocost/protocol/v1\nsample:\n    batch: 8\n", 1, false},
	} {
		if n, known := (Protocol{YAML: test.yaml}).Batch(); n != test.want || known != test.known {
			t.Errorf("%q: batch %d, known %v, want %d, %v", test.yaml, n, known, test.want, test.known)
		}
	}
}
