package device

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const captureScript = "../../scripts/capture-sysfs.sh"

func capture(t *testing.T, root string) string {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh")
	}
	out := filepath.Join(t.TempDir(), "tree")
	cmd := exec.Command("sh", captureScript, out)
	cmd.Env = append(os.Environ(), "CAPTURE_ROOT="+root)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

// TestCaptureIsComplete captures each fixture board with the script and demands
// that the package says the same about the copy: a file that the package reads
// and the script forgets would show.
func TestCaptureIsComplete(t *testing.T) {
	if testing.Short() {
		t.Skip("walks /sys by a shell script: make test")
	}
	for _, name := range []string{"raspberry-pi-4", "pixel-6", "snapdragon-888", "jetson-nano-jp4", "jetson-orin-nano-jp6", "jetson-thor-jp7", "x86-server"} {
		root := board(t, name)
		tree := capture(t, root)
		// What a board cannot hold as files: reproduced errors, and what getprop says.
		for _, extra := range []string{"ERRORS", "getprop.txt"} {
			if data, err := os.ReadFile(filepath.Join(root, extra)); err == nil {
				put(t, tree, extra, string(data))
			}
		}
		want, err := Open(root)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Open(tree)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := summary(t, want), summary(t, got); a != b {
			t.Errorf("%s: the capture reads differently; board:\n%s\ncapture:\n%s", name, a, b)
		}
		if data, _ := os.ReadFile(filepath.Join(tree, "proc/cpuinfo")); strings.Contains(string(data), "Serial") {
			t.Errorf("%s: the serial number was captured", name)
		}
	}
}

func TestCaptureOfThisMachine(t *testing.T) {
	tree := capture(t, "")
	here, err := Identify("/")
	if err != nil {
		t.Fatal(err)
	}
	there, err := Identify(tree)
	if err != nil {
		t.Fatal(err)
	}
	cores := here.Topology.Online()
	if here.Model != there.Model || here.CPU != there.CPU || !there.Topology.Online().Equal(cores) {
		t.Errorf("this machine is %s, %s; its capture %s, %s", here.Model, here.CPU, there.Model, there.CPU)
	}
	// The script refuses to write over something.
	cmd := exec.Command("sh", captureScript, tree)
	if text, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(text), "hint:") {
		t.Errorf("%v: %s", err, text)
	}
}

func TestCaptureRecordsErrors(t *testing.T) {
	if os.Geteuid() == 0 {
		// root reads everything: let a directory loop stand for a failing driver
		root := board(t, "raspberry-pi-5")
		bad := filepath.Join(root, "sys/class/thermal/thermal_zone0/temp")
		os.Remove(bad)
		// reading one's own memory at address 0 answers EIO, as a dead sensor does
		if err := os.Symlink("/proc/self/mem", bad); err != nil {
			t.Fatal(err)
		}
		tree := capture(t, root)
		data, err := os.ReadFile(filepath.Join(tree, "ERRORS"))
		if err != nil || string(data) != "EIO sys/class/thermal/thermal_zone0/temp\n" {
			t.Errorf("ERRORS holds %q, %v", data, err)
		}
		return
	}
	root := board(t, "raspberry-pi-5")
	if err := os.Chmod(filepath.Join(root, "sys/class/thermal/thermal_zone0/temp"), 0); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(capture(t, root), "ERRORS"))
	if err != nil || string(data) != "EACCES sys/class/thermal/thermal_zone0/temp\n" {
		t.Errorf("ERRORS holds %q, %v", data, err)
	}
}
