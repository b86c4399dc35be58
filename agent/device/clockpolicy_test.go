package device

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/isocost/isocost/internal/hint"
)

const turboBoard = "x86-server"

// turbo makes the fixture server lockable: governors, a turbo switch, a base frequency.
func turbo(t testing.TB) string {
	root := board(t, turboBoard)
	put(t, root, "sys/devices/system/cpu/intel_pstate/no_turbo", "0\n")
	put(t, root, "proc/sys/kernel/random/boot_id", "3d2c1b0a-0000-4000-8000-000000000000\n")
	for _, p := range []string{"0", "1", "2", "3"} {
		dir := "sys/devices/system/cpu/cpufreq/policy" + p
		put(t, root, dir+"/scaling_available_governors", "performance powersave\n")
		put(t, root, dir+"/base_frequency", "2000000\n")
	}
	return root
}

// settings reads all clock settings of a tree.
func settings(t testing.TB, root string) string {
	t.Helper()
	d, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, pattern := range clockFiles {
		for _, f := range d.fs.Glob(pattern) {
			s, err := d.fs.String(f)
			if err != nil {
				t.Fatal(err)
			}
			b.WriteString(f + "=" + s + "\n")
		}
	}
	return b.String()
}

func TestLockedIsReadBackAndRestored(t *testing.T) {
	root := turbo(t)
	journal := filepath.Join(t.TempDir(), "clocks.json")
	before := settings(t, root)
	d, _ := Open(root)
	h, err := d.HoldClocks(context.Background(), Locked, journal)
	if err != nil {
		t.Fatal(err)
	}
	held := settings(t, root)
	for _, want := range []string{"no_turbo=1", "policy0/scaling_governor=performance", "policy3/scaling_min_freq=2000000", "policy3/scaling_max_freq=2000000"} {
		if !strings.Contains(held, want) {
			t.Errorf("held settings lack %s:\n%s", want, held)
		}
	}
	if h.Evidence() != "read back" {
		t.Errorf("the settings were read back, and are %q", h.Evidence())
	}
	if err := h.Check(); err != nil {
		t.Error(err)
	}
	put(t, root, "sys/devices/system/cpu/cpufreq/policy2/scaling_max_freq", "1500000\n")
	if err := h.Check(); err == nil || !strings.Contains(err.Error(), "policy2/scaling_max_freq") {
		t.Errorf("a meddler went unnoticed: %v", err)
	}
	if err := h.Release(context.Background()); err != nil {
		t.Fatal(err)
	}
	if after := settings(t, root); after != before {
		t.Errorf("not restored:\n%s\nwant\n%s", after, before)
	}
	if _, err := os.Stat(journal); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the journal is still there: %v", err)
	}
	if err := h.Release(context.Background()); err != nil {
		t.Errorf("a second release: %v", err)
	}
}

// TestKilledHolderIsUndone kills a real process that holds the clocks with
// SIGKILL; the next start restores them from the journal.
func TestKilledHolderIsUndone(t *testing.T) {
	if root := os.Getenv("ISOCOST_DEVICE_TEST_HOLD"); root != "" {
		d, err := Open(root)
		if err == nil {
			_, err = d.HoldClocks(context.Background(), Locked, filepath.Join(root, "journal"))
		}
		os.Stdout.WriteString("held " + strings.ReplaceAll(errorText(err), "\n", " ") + "\n")
		select {}
	}
	root := turbo(t)
	before := settings(t, root)
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledHolderIsUndone$")
	cmd.Env = append(os.Environ(), "ISOCOST_DEVICE_TEST_HOLD="+root)
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "held \n" {
		t.Fatalf("child says %q, %v", line, err)
	}
	d, _ := Open(root)
	if settings(t, root) == before {
		t.Fatal("the child changed nothing")
	}
	// While it lives nobody may touch the clocks.
	if _, err := d.HoldClocks(context.Background(), Locked, filepath.Join(root, "journal")); err == nil || hint.Of(err) == "" {
		t.Errorf("two processes hold the clocks: %v", err)
	}
	cmd.Process.Signal(syscall.SIGKILL)
	cmd.Wait()
	// The number of the dead may be used again at once: by this very test.
	data, err := os.ReadFile(filepath.Join(root, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	reused := strings.Replace(string(data), `"pid":`+strconv.Itoa(cmd.Process.Pid), `"pid":`+strconv.Itoa(os.Getppid()), 1)
	put(t, root, "journal", reused)
	did, err := d.RestoreClocks(context.Background(), filepath.Join(root, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	if after := settings(t, root); after != before {
		t.Errorf("not restored:\n%s\nwant\n%s", after, before)
	}
	if !slices.ContainsFunc(did, func(s string) bool { return strings.Contains(s, "no_turbo: 1 → 0") }) {
		t.Errorf("says it restored %v", did)
	}
	if did, err := d.RestoreClocks(context.Background(), filepath.Join(root, "journal")); err != nil || did != nil {
		t.Errorf("a second restore did %v, %v", did, err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestASettingThatDoesNotStickIsUndone(t *testing.T) {
	root := turbo(t)
	// A governor that swallows what is written, as a firmware-owned one does.
	gov := filepath.Join(root, "sys/devices/system/cpu/cpufreq/policy3/scaling_governor")
	os.Remove(gov)
	if err := os.Symlink("/dev/null", gov); err != nil {
		t.Fatal(err)
	}
	before := settings(t, root)
	d, _ := Open(root)
	journal := filepath.Join(t.TempDir(), "clocks.json")
	_, err := d.HoldClocks(context.Background(), FixedPerformance, journal)
	if err == nil || !strings.Contains(err.Error(), "policy3/scaling_governor") || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
	if after := settings(t, root); after != before {
		t.Errorf("left behind:\n%s\nwant\n%s", after, before)
	}
}

func TestObserveChangesNothing(t *testing.T) {
	root := turbo(t)
	before := settings(t, root)
	d, _ := Open(root)
	journal := filepath.Join(t.TempDir(), "clocks.json")
	h, err := d.HoldClocks(context.Background(), Observe, journal)
	if err != nil {
		t.Fatal(err)
	}
	if settings(t, root) != before {
		t.Error("observe changed a setting")
	}
	if err := h.Release(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := d.HoldClocks(context.Background(), "turbo", journal); err == nil {
		t.Error("an unknown policy was accepted")
	}
	bare := openBoard(t, "container")
	if _, err := bare.HoldClocks(context.Background(), Locked, journal); !errors.Is(err, errNoClocks) {
		t.Errorf("a machine without clocks: %v", err)
	}
}

func TestRebootMakesTheJournalStale(t *testing.T) {
	root := turbo(t)
	d, _ := Open(root)
	journal := filepath.Join(t.TempDir(), "clocks.json")
	if _, err := d.HoldClocks(context.Background(), Locked, journal); err != nil {
		t.Fatal(err)
	}
	put(t, root, "proc/sys/kernel/random/boot_id", "another\n")
	held := settings(t, root)
	if did, err := d.RestoreClocks(context.Background(), journal); err != nil || did != nil {
		t.Errorf("restored %v, %v", did, err)
	}
	if settings(t, root) != held {
		t.Error("settings of a new boot were touched")
	}
}

func TestAndroidFixedPerformance(t *testing.T) {
	d := openBoard(t, "pixel-6")
	var ran []string
	var fail error
	d.Run = func(_ context.Context, program string, args ...string) ([]byte, error) {
		ran = append(ran, program+" "+strings.Join(args, " "))
		return nil, fail
	}
	journal := filepath.Join(t.TempDir(), "clocks.json")
	h, err := d.HoldClocks(context.Background(), FixedPerformance, journal)
	if err != nil {
		t.Fatal(err)
	}
	if h.Evidence() != "unverified" {
		t.Errorf("the mode cannot be read, and is %q", h.Evidence())
	}
	if err := h.Release(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := []string{"cmd power set-fixed-performance-mode-enabled true", "cmd power set-fixed-performance-mode-enabled false"}
	if !slices.Equal(ran, want) {
		t.Errorf("ran %q", ran)
	}
	fail = errors.New("exit status 255")
	if _, err := d.HoldClocks(context.Background(), FixedPerformance, journal); err == nil || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
}

func TestClockJournalIsStrict(t *testing.T) {
	for _, bad := range []string{
		``, `{}`, `{"format":"isocost/clocks/v2","pid":1}`, `{"format":"isocost/clocks/v1","pid":0}`,
		`{"format":"isocost/clocks/v1","pid":1,"x":1}`, `{"format":"isocost/clocks/v1","pid":1}{}`,
		`{"format":"isocost/clocks/v1","pid":1,"changes":[{"file":"etc/passwd","old":"x","new":"y"}]}`,
		`{"format":"isocost/clocks/v1","pid":1,"changes":[{"file":"sys/class/devfreq/../../../etc/min_freq","old":"x","new":"y"}]}`,
		`{"format":"isocost/clocks/v1","pid":1,"changes":[{"file":"sys/class/devfreq/g/min_freq","old":"x\ny","new":"y"}]}`,
	} {
		if j, err := decodeClockJournal([]byte(bad)); err == nil {
			t.Errorf("%s was accepted: %+v", bad, j)
		}
	}
}

func FuzzClockJournal(f *testing.F) {
	f.Add([]byte(`{"format":"isocost/clocks/v1","policy":"locked","boot":"b","pid":12,"changes":[{"file":"sys/devices/system/cpu/cpufreq/boost","old":"1","new":"0"}],"android":false}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := decodeClockJournal(data)
		if err != nil {
			return
		}
		for _, c := range j.Changes {
			if !strings.HasPrefix(c.File, "sys/") || strings.Contains(c.File, "..") {
				t.Errorf("%q would be written", c.File)
			}
		}
	})
}
