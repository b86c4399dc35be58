package device

import (
	"testing"
)

func TestParseCoreList(t *testing.T) {
	for in, want := range map[string]string{
		"0-3": "0-3", "3,1,2": "1-3", "0,2-3,2": "0,2-3", "": "", "7": "7", " 0-1 \n": "0-1",
	} {
		got, err := ParseCoreList(in)
		if err != nil || got.String() != want {
			t.Errorf("ParseCoreList(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, bad := range []string{"a", "3-1", "-1", "1-", "0,,1", "0-99999", "1e3", "0x3"} {
		if got, err := ParseCoreList(bad); err == nil {
			t.Errorf("ParseCoreList(%q) = %v; want an error", bad, got)
		}
	}
}

func FuzzParseCoreList(f *testing.F) {
	f.Add("0-3,6")
	f.Fuzz(func(t *testing.T, s string) {
		set, err := ParseCoreList(s)
		if err != nil {
			return
		}
		again, err := ParseCoreList(set.String())
		if err != nil || !again.Equal(set) {
			t.Errorf("%q → %q → %v, %v", s, set, again, err)
		}
	})
}
