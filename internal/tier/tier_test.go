package tier

import "testing"

// left reports whether a test left itself out.
func left(t *testing.T, leave func(testing.TB, string)) (out bool) {
	t.Run("leaves", func(t *testing.T) {
		defer func() { out = t.Skipped() }()
		leave(t, "many of them")
	})
	return out
}

func TestTestsLeaveThemselvesOut(t *testing.T) {
	if got := left(t, Slow); got != testing.Short() {
		t.Errorf("a slow test is left out: %v, -short: %v", got, testing.Short())
	}
	if got := left(t, Sequential); got != (testing.Short() || Race) {
		t.Errorf("a sequential test is left out: %v, -short: %v, race detector: %v", got, testing.Short(), Race)
	}
	want := 200
	if testing.Short() || Race {
		want = 20
	}
	if got := Repeats(200); got != want {
		t.Errorf("%d of 200 repeats, want %d", got, want)
	}
}
