package device

import (
	"fmt"
	"slices"
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

// TestBinnedCoresAreOneCluster: four cores of one design whose pairs differ by two percent in
// speed are one cluster; a faster pair by nine is another, and so are two designs.
func TestBinnedCoresAreOneCluster(t *testing.T) {
	for _, c := range []struct {
		mhz  [2]int // of CPUs 4 and 5, 6 and 7
		part [2]string
		want string
	}{
		{[2]int{2256, 2304}, [2]string{"0xd0b", "0xd0b"}, "little 0-3 big 4-7 "},
		{[2]int{2200, 2400}, [2]string{"0xd0b", "0xd0b"}, "little 0-3 mid 4-5 big 6-7 "},
		{[2]int{2256, 2304}, [2]string{"0xd0a", "0xd0b"}, "little 0-3 mid 4-5 big 6-7 "},
	} {
		root := t.TempDir()
		put(t, root, "sys/devices/system/cpu/present", "0-7\n")
		info := ""
		for i := range 8 {
			khz, part := 1800000, "0xd05"
			if i > 3 {
				khz, part = 1000*c.mhz[i/6], c.part[i/6]
			}
			dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d/", i)
			put(t, root, dir+"cpu_capacity", fmt.Sprintln(khz/2250))
			put(t, root, dir+"cpufreq/cpuinfo_max_freq", fmt.Sprintln(khz))
			info += fmt.Sprintf("processor\t: %d\nCPU implementer\t: 0x41\nCPU part\t: %s\n\n", i, part)
		}
		put(t, root, "proc/cpuinfo", info)
		d, err := Open(root)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, cl := range d.Topology().Clusters {
			got += fmt.Sprintf("%s %v ", cl.Name, cl.CPUs)
		}
		if got != c.want {
			t.Errorf("%v %v: %s, want %s", c.mhz, c.part, got, c.want)
		}
	}
}

// TestUnderVoltageOfAPi: where the firmware's word stands on a Pi 5, what the hwmon driver
// makes of it, and that neither is there.
func TestUnderVoltageOfAPi(t *testing.T) {
	for _, c := range []struct {
		path, text string
		evidence   int
	}{
		{"sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n", 2},
		{"sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled", "0x50005\n", 2},
		{"sys/class/hwmon/hwmon2/in0_lcrit_alarm", "1\n", 1},
		{"sys/class/hwmon/hwmon2/in0_lcrit_alarm", "0\n", 0},
		{"", "", -1},
	} {
		root := t.TempDir()
		put(t, root, "proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\x00")
		put(t, root, "sys/class/hwmon/hwmon2/name", "rpi_volt\n")
		if c.path == "" {
			put(t, root, "sys/class/hwmon/hwmon2/name", "rp1_adc\n")
		} else {
			put(t, root, c.path, c.text)
		}
		d, err := Open(root)
		if err != nil {
			t.Fatal(err)
		}
		s := d.Snapshot()
		if c.evidence < 0 {
			said := slices.ContainsFunc(s.Absent, func(a Absence) bool { return a.What == "under-voltage" && a.Reason != "" && a.Cure != "" })
			if s.PiThrottled != nil || !said {
				t.Errorf("nothing tells of the supply, and the state is %v, absent %v", s.PiThrottled, s.Absent)
			}
			continue
		}
		if e := Throttling(s, s); len(e) != c.evidence || c.evidence > 0 && e[0] != "the supply voltage is too low" {
			t.Errorf("%s %q: evidence %q", c.path, c.text, e)
		}
	}
}
