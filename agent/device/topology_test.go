package device

import (
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/hint"
)

func TestSelectCores(t *testing.T) {
	for _, c := range []struct{ board, spec, want string }{
		{"pixel-6", "all", "0-7"},
		{"pixel-6", "", "0-7"},
		{"pixel-6", "big", "6-7"},
		{"pixel-6", "mid,big", "4-7"},
		{"pixel-6", "little,7", "0-3,7"},
		{"pixel-6", "2-5", "2-5"},
		{"snapdragon-888", "big", "4-6"},
		{"snapdragon-888", "all", "0-6"}, // the prime core is off
		{"jetson-nano-jp4", "big", "0-1"},
		{"x86-server", "big", "0-3"}, // favoured cores are not a cluster
	} {
		got, err := openBoard(t, c.board).Topology().Select(c.spec)
		if err != nil || got.String() != c.want {
			t.Errorf("%s: Select(%q) = %s, %v; want %s", c.board, c.spec, got, err, c.want)
		}
	}
	for _, c := range []struct{ board, spec, hint string }{
		{"pixel-6", "huge", "little (0-3), mid (4-5), big (6-7)"},
		{"pixel-6", "8", "0-7"},
		{"pixel-6", "0-3,", "little"},
		{"snapdragon-888", "prime", "0-6"},
		{"snapdragon-888", "6-7", "0-6"},
		{"x86-server", "little", "big (0-3)"},
	} {
		got, err := openBoard(t, c.board).Topology().Select(c.spec)
		if err == nil {
			t.Errorf("%s: Select(%q) = %s; want an error", c.board, c.spec, got)
		} else if !strings.Contains(hint.Of(err), c.hint) {
			t.Errorf("%s: Select(%q): hint %q does not say %q", c.board, c.spec, hint.Of(err), c.hint)
		}
	}
}

func TestIDIsStableAndTellsCoreSetsApart(t *testing.T) {
	a, b := openBoard(t, "pixel-6").Identity(), openBoard(t, "pixel-6").Identity()
	if a.ID(CoreSet{6, 7}) != b.ID(CoreSet{7, 6}) {
		t.Error("one device, two identifiers")
	}
	if a.ID(CoreSet{6, 7}) == a.ID(CoreSet{4, 5}) {
		t.Error("two core sets, one identifier")
	}
	other := openBoard(t, "raspberry-pi-5").Identity()
	if a.ID(CoreSet{0}) == other.ID(CoreSet{0}) {
		t.Error("two devices, one identifier")
	}
}

func TestNothingNamesTheSpecimen(t *testing.T) {
	for board, serial := range map[string]string{"raspberry-pi-4": "deadbeef", "pixel-6": "1A2B3C4D5E6F7G", "x86-server": "GPU-0000"} {
		if s := summary(t, openBoard(t, board)); strings.Contains(s, serial) {
			t.Errorf("%s: the serial number gets out", board)
		}
	}
}

func TestThrottlingCountsOnlyWhatIsNew(t *testing.T) {
	root := board(t, "x86-server")
	d, _ := Open(root)
	before := d.Snapshot()
	if e := Throttling(before, d.Snapshot()); len(e) != 0 {
		t.Errorf("an idle server is throttled: %v", e)
	}
	put(t, root, "sys/devices/system/cpu/cpu2/thermal_throttle/core_throttle_count", "10\n")
	if e := Throttling(before, d.Snapshot()); len(e) != 1 || e[0] != "3 new core throttle events" {
		t.Errorf("evidence %v", e)
	}

	root = board(t, "raspberry-pi-5")
	d, _ = Open(root)
	before = d.Snapshot()
	// Throttled and recovered in between: only the "has occurred" bit shows it.
	put(t, root, "sys/devices/platform/soc/soc:firmware/get_throttled", "0x40000\n")
	after := d.Snapshot()
	if e := Throttling(before, after); len(e) != 1 || e[0] != "the firmware throttles" {
		t.Errorf("evidence %v", e)
	}
	if e := Throttling(after, after); len(e) != 0 {
		t.Errorf("old news is evidence: %v", e)
	}
}
