package device

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// The sizes of caches are the cores' own, from a tree; what a hypervisor shows is nobody's.
func TestCachesAreRead(t *testing.T) {
	const arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n"
	level := func(files map[string]string, cpu, index, level int, kind, size string) {
		dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d/cache/index%d/", cpu, index)
		files[dir+"level"], files[dir+"type"] = fmt.Sprint(level), kind
		if size != "" {
			files[dir+"size"] = size
		}
	}
	unequal := map[string]string{"proc/cpuinfo": arm}
	for cpu, core := range []string{"512K", "128K"} {
		level(unequal, cpu, 0, 1, "Data", "64K")
		level(unequal, cpu, 1, 1, "Instruction", "64K")
		level(unequal, cpu, 2, 2, "Unified", core)
		level(unequal, cpu, 3, 3, "Unified", "2048K")
	}
	twoLevels, noSizes := map[string]string{"proc/cpuinfo": arm}, map[string]string{"proc/cpuinfo": arm}
	level(twoLevels, 0, 2, 2, "Unified", "1024K")
	level(noSizes, 0, 2, 2, "Unified", "")
	guest := map[string]string{"proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu hypervisor avx2\n"}
	level(guest, 0, 2, 2, "Unified", "4096K")
	level(guest, 0, 3, 3, "Unified", "16384K")
	for _, c := range []struct {
		name  string
		files map[string]string
		cores CoreSet
		want  Caches
		known bool
	}{
		{"one core", unequal, CoreSet{0}, Caches{Core: 512 << 10, Last: 2 << 20}, true},
		{"unlike cores", unequal, CoreSet{0, 1}, Caches{Core: 128 << 10, Last: 2 << 20}, true},
		{"two levels", twoLevels, CoreSet{0}, Caches{Core: 1 << 20, Last: 1 << 20}, true},
		{"no sizes", noSizes, CoreSet{0}, Caches{}, false},
		{"no directory", map[string]string{"proc/cpuinfo": arm}, CoreSet{0}, Caches{}, false},
		{"a guest", guest, CoreSet{0}, Caches{}, false},
	} {
		root := t.TempDir()
		for name, text := range c.files {
			file := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		d, err := Open(root)
		if err != nil {
			t.Fatal(err)
		}
		if got, why := d.Caches(c.cores); got != c.want || (why == "") != c.known {
			t.Errorf("%s: %+v (%s), want %+v", c.name, got, why, c.want)
		}
	}
}
