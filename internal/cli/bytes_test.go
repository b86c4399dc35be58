package cli

import "testing"

func TestBytes(t *testing.T) {
	for text, want := range map[string]Bytes{
		"0": 0, "3000000000": 3e9, "3GB": 3e9, "3 gb": 3e9, "2.5GiB": 5 << 29, "64KiB": 64 << 10, "1e6": 1e6, "512 B": 512, "1TB": 1e12,
	} {
		var b Bytes
		if err := b.Set(text); err != nil || b != want {
			t.Errorf("%q is %d, %v; want %d", text, b, err, want)
		}
	}
	for _, text := range []string{"", "3G", "GB", "-5", "-5MB", "1e30", "NaN", "Inf", "3GBs", "0x10zz", "3,5GB"} {
		var b Bytes
		if err := b.Set(text); err == nil {
			t.Errorf("%q was taken for %d", text, b)
		}
	}
}
