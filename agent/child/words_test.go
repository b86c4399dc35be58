package child

import "testing"

func TestBannersAreNoReason(t *testing.T) {
	for _, c := range []struct{ words, want string }{
		{"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nterminate called after throwing an instance of 'std::bad_alloc'", "terminate called after throwing an instance of 'std::bad_alloc'"},
		{"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\nI0000 00:00:1764540000.000000    1 cpu_feature_guard.cc:227] This TensorFlow binary is optimized\nTo enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow\n2026-11-30 22:00:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] This\nfatal error: out of memory\n\ngoroutine 1 [running]:\nmain", "fatal error: out of memory"},
		{"INFO: Initialized TensorFlow Lite runtime.", "INFO: Initialized TensorFlow Lite runtime."},
		{"driver: giving up", "driver: giving up"},
		{"", ""},
	} {
		if got := firstLines(c.words); got != c.want {
			t.Errorf("of %q stays %q, want %q", c.words, got, c.want)
		}
	}
}
