package device

import (
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/hint"
)

// TestProcessorAllowance: a process that may use less than the machine has is measured, named and
// judged by what it may use. The board has four CPUs and 1 GiB available.
func TestProcessorAllowance(t *testing.T) {
	const machine = 1 << 30
	tree := func(files map[string]string) *Device {
		root := t.TempDir()
		put(t, root, "sys/devices/system/cpu/present", "0-3\n")
		put(t, root, "sys/devices/system/cpu/online", "0-3\n")
		put(t, root, "proc/meminfo", "MemTotal: 2097152 kB\nMemFree: 1048576 kB\nMemAvailable: 1048576 kB\n")
		for name, text := range files {
			put(t, root, name, text)
		}
		d, err := Open(root)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, c := range []struct {
		name  string
		files map[string]string
		cores string
		quota float64 // 0: none
		free  int64
	}{
		{"nothing said", nil, "0-3", 0, machine},
		{"affinity mask", map[string]string{"proc/self/status": "Name:\tagent\nCpus_allowed:\t1\nCpus_allowed_list:\t0\n"}, "0", 0, machine},
		{"mask of more than is online", map[string]string{"proc/self/status": "Cpus_allowed_list:\t0-63\n"}, "0-3", 0, machine},
		{"version 2, the parent is tighter", map[string]string{
			"proc/self/cgroup":                        "0::/slice/box\n",
			"sys/fs/cgroup/slice/box/cpu.max":         "max 100000\n",
			"sys/fs/cgroup/slice/cpu.max":             "30000 100000\n",
			"sys/fs/cgroup/slice/box/memory.max":      "max\n",
			"sys/fs/cgroup/slice/memory.max":          "300000000\n",
			"sys/fs/cgroup/slice/memory.current":      "250000000\n",
			"sys/fs/cgroup/slice/memory.stat":         "anon 1\ninactive_file 50000000\n",
			"sys/fs/cgroup/slice/box/memory.current":  "1000\n",
			"sys/fs/cgroup/slice/box/cgroup.freeze":   "0\n",
			"sys/fs/cgroup/slice/other/memory.max":    "1\n",
			"sys/fs/cgroup/slice/other/cpu.max":       "1 100000\n",
			"sys/fs/cgroup/slice/other/memory.events": "max 0\n",
		}, "0-3", 0.3, 100000000},
		{"version 1, the host's path is not to be seen", map[string]string{
			"proc/self/cgroup":                           "9:memory:/docker/4d2\n4:cpu,cpuacct:/docker/4d2\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "300000000\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes": "100000000\n",
			"sys/fs/cgroup/memory/memory.stat":           "inactive_file 7\ntotal_inactive_file 0\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
		}, "0-3", 1.5, 200000000},
		{"version 1 without limits", map[string]string{
			"proc/self/cgroup":                           "9:memory:/\n4:cpu:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes": "100000000\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us":         "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
		}, "0-3", 0, machine},
		{"a group with more than the machine has left", map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "2000000000\n", "sys/fs/cgroup/memory.current": "0\n",
		}, "0-3", 0, machine},
		{"a group that is full", map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1000\n", "sys/fs/cgroup/memory.current": "5000\n",
		}, "0-3", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := tree(c.files)
			id, s := d.Identity(), d.Snapshot()
			set, err := id.Topology.Select("all")
			if err != nil || set.String() != c.cores {
				t.Errorf("all cores are %s, %v; want %s", set, err, c.cores)
			}
			if s.FreeBytes == nil || *s.FreeBytes != c.free {
				t.Errorf("%v bytes are free, want %d", s.FreeBytes, c.free)
			}
			if (s.CPUQuota == nil) != (c.quota == 0) || s.CPUQuota != nil && *s.CPUQuota != c.quota {
				t.Errorf("quota %v, want %g", s.CPUQuota, c.quota)
			}
			if said := strings.Contains(strings.Join(Judge(id, s, nil).Reasons, "; "), "of its control group"); said != (c.quota > 0) {
				t.Errorf("the verdict speaks of the quota: %v", said)
			}
		})
	}
	masked := tree(map[string]string{"proc/self/status": "Cpus_allowed_list:\t0\n"}).Identity()
	if set, err := masked.Topology.Select("0-1"); err == nil || !strings.Contains(hint.Of(err), "taskset") {
		t.Errorf("CPU 1 is chosen although the mask is 0: %v, %v", set, err)
	}
}

// TestLoadThatIsEmpty: some containers mount an empty /proc/loadavg.
func TestLoadThatIsEmpty(t *testing.T) {
	for _, text := range []string{"", "\n", "0.5", "a b c 1/2 3"} {
		root := t.TempDir()
		put(t, root, "sys/devices/system/cpu/present", "0\n")
		put(t, root, "proc/loadavg", text)
		d, err := Open(root)
		if err != nil {
			t.Fatal(err)
		}
		s := d.Snapshot()
		if s.Load != nil || len(s.Absent) == 0 || s.Absent[len(s.Absent)-1].What != "load" {
			t.Errorf("%q: load %v, absent %v", text, s.Load, s.Absent)
		}
	}
}
