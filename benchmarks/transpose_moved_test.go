package benchmarks

import "testing"

func TestMoved(t *testing.T) {
	for perm, want := range map[string]string{"1-0-2": "rows", "0-2-1-3": "rows", "0-2-1": "axis", "1-2-0": "axis", "2-0-1": "axis", "2-1-0": "elements", "0-3-2-1": "elements"} {
		if got := Moved(perm); got != want {
			t.Errorf("perm=%s moves %s, want %s", perm, got, want)
		}
	}
}
