package device

import (
	"context"
	"errors"
	"testing"
)

const pixel = "[ro.product.manufacturer]: [Google]\n[ro.product.model]: [Pixel 6]\n[ro.build.version.release]: [14]\n"

// A getprop that fails for a moment changes nothing; one that stays silent makes the
// identity incomplete instead of another device's.
func TestGetpropThatFails(t *testing.T) {
	identify := func(failures int) Identity {
		d := openBoard(t, "pixel-6")
		d.Run = func(_ context.Context, program string, _ ...string) ([]byte, error) {
			if program != "getprop" {
				return nil, errors.New("no such program")
			}
			if failures--; failures >= 0 {
				return nil, errors.New("exit status 1")
			}
			return []byte(pixel), nil
		}
		first := d.Identity()
		if again := d.Identity(); again.ID(nil) != first.ID(nil) {
			t.Errorf("asked twice: %s and %s", first.Model, again.Model)
		}
		return first
	}
	whole := identify(0)
	if whole.Incomplete != "" || whole.Model != "Google Pixel 6" {
		t.Fatalf("%q, incomplete: %q", whole.Model, whole.Incomplete)
	}
	if again := identify(2); again.Incomplete != "" || again.ID(nil) != whole.ID(nil) {
		t.Errorf("after two failures: %q, incomplete: %q", again.Model, again.Incomplete)
	}
	if never := identify(1000); never.Incomplete == "" {
		t.Errorf("getprop never answered, and the device is %q without a word", never.Model)
	}
}
