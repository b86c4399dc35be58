package device

import (
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// allowedCPUs returns the CPUs this process may run on: the affinity mask it was started
// with and the cpuset of its container (Cpus_allowed_list of proc_pid_status(5)). nil where
// the tree does not tell, which a captured one does not.
func (d *Device) allowedCPUs() CoreSet {
	text, err := d.fs.String("proc/self/status")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(text) {
		if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
			set, _ := ParseCoreList(list)
			return set
		}
	}
	return nil
}

// cgroup returns the folders of the control groups that bound this process by the
// controller, the process's own first and then its parents: each of them is a limit
// (cgroups(7)). v2 reports whether they speak version 2. A container sees its own group at
// the root of the mount although /proc/self/cgroup may name the host's path, so the root
// is always among them.
func (d *Device) cgroup(controller string) (folders []string, v2 bool) {
	text, err := d.fs.String("proc/self/cgroup")
	if err != nil {
		return nil, false
	}
	unified := ""
	for line := range strings.Lines(text) { // hierarchy:controllers:path
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(parts) < 3:
		case parts[1] == "":
			unified = parts[2]
		case slices.Contains(strings.Split(parts[1], ","), controller):
			for _, mount := range []string{controller, parts[1]} { // "cpu", or "cpu,cpuacct" without the link
				if root := "sys/fs/cgroup/" + mount; d.fs.Exists(root) {
					return ancestors(root, parts[2]), false
				}
			}
		}
	}
	if unified == "" {
		return nil, true
	}
	return ancestors("sys/fs/cgroup", unified), true
}

// ancestors lists root/name and its parents up to root.
func ancestors(root, name string) (folders []string) {
	for p := path.Clean("/" + name); ; p = path.Dir(p) {
		folders = append(folders, strings.TrimSuffix(root+p, "/"))
		if p == "/" {
			return folders
		}
	}
}

// quota returns how many CPUs' worth of time the control groups let this process have,
// nil where they set no bound: cpu.max of version 2 (“max 100000”, microseconds of a
// period), cpu.cfs_quota_us of version 1 (−1).
func (d *Device) quota() *float64 {
	least := math.Inf(1)
	folders, v2 := d.cgroup("cpu")
	for _, dir := range folders {
		var quota, period float64
		if v2 {
			text, err := d.fs.String(dir + "/cpu.max")
			f := strings.Fields(text)
			if err != nil || len(f) != 2 {
				continue
			}
			quota, _ = strconv.ParseFloat(f[0], 64) // "max" is 0
			period, _ = strconv.ParseFloat(f[1], 64)
		} else {
			q, err1 := d.fs.Int(dir + "/cpu.cfs_quota_us")
			p, err2 := d.fs.Int(dir + "/cpu.cfs_period_us")
			if err1 != nil || err2 != nil {
				continue
			}
			quota, period = float64(q), float64(p)
		}
		if quota > 0 && period > 0 {
			least = min(least, quota/period)
		}
	}
	if math.IsInf(least, 1) {
		return nil
	}
	return &least
}

// unlimited holds what version 1 writes for no limit, the largest multiple of a page; no
// machine has half of it.
const unlimited = 1 << 62

// groupMemory returns the tightest memory limit of the control groups and the least that
// one of them has left, in bytes; nil where they set no limit. What the page cache could
// give back (inactive_file) is not counted as used.
func (d *Device) groupMemory() (limit, left *int64) {
	folders, v2 := d.cgroup("memory")
	limitFile, usedFile, cache := "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
	if v2 {
		limitFile, usedFile, cache = "memory.max", "memory.current", "inactive_file"
	}
	for _, dir := range folders {
		most, err := d.fs.Int(dir + "/" + limitFile) // "max" is not a number
		if err != nil || most <= 0 || most >= unlimited {
			continue
		}
		if limit == nil || most < *limit {
			limit = &most
		}
		used, err := d.fs.Int(dir + "/" + usedFile)
		if err != nil {
			continue
		}
		rest := max(0, min(most, most-used+d.statistic(dir+"/memory.stat", cache)))
		if left == nil || rest < *left {
			left = &rest
		}
	}
	return limit, left
}

// statistic reads one figure of a file of “name value” lines, 0 where it is not there.
func (d *Device) statistic(file, name string) int64 {
	text, err := d.fs.String(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			v, _ := strconv.ParseInt(f[1], 10, 64)
			return v
		}
	}
	return 0
}
