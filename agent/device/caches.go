package device

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Caches are sizes of data caches in bytes, 0 where not known.
type Caches struct {
	Core int64 `json:"core"` // the second level
	Last int64 `json:"last"` // the last before memory
}

// Caches are the sizes of the data caches of some cores, the smallest where they differ. why
// says what is not known of them, and is "" where both are.
func (d *Device) Caches(cores CoreSet) (c Caches, why string) {
	if vm := d.virtual(d.cpuinfo()); strings.Contains(vm, "virtual machine") {
		// A hypervisor shows sizes of its own choice, or the whole host's of which a guest has a part.
		return Caches{}, "a virtual machine shows those of its hypervisor's choice"
	}
	if d.Live() && Emulated() != "" {
		return Caches{}, "the processor is emulated"
	}
	for i, cpu := range cores {
		core, last := d.cachesOf(cpu)
		if i == 0 {
			c = Caches{Core: core, Last: last}
			continue
		}
		c.Core, c.Last = min(c.Core, core), min(c.Last, last)
	}
	if c.Core == 0 || c.Last == 0 {
		why = "the kernel here does not say"
	}
	return c, why
}

// cachesOf are the second and the last level that one CPU reads data through, in bytes; 0 where
// its directory says nothing of them: device trees often name no sizes, and Android hides some.
func (d *Device) cachesOf(cpu int) (core, last int64) {
	deepest := int64(1)
	for _, dir := range d.fs.Glob(fmt.Sprintf("sys/devices/system/cpu/cpu%d/cache/index*", cpu)) {
		level, err := d.fs.Int(path.Join(dir, "level"))
		kind, _ := d.fs.String(path.Join(dir, "type"))
		if err != nil || kind == "Instruction" || level < 2 {
			continue
		}
		text, _ := d.fs.String(path.Join(dir, "size"))
		size := kibibytes(text)
		if level == 2 {
			core = size
		}
		if level > deepest {
			deepest, last = level, size
		}
	}
	return core, last
}

// kibibytes reads a size as cacheinfo writes it, "2048K"; 0 for anything else.
func kibibytes(s string) int64 {
	digits, ok := strings.CutSuffix(s, "K")
	n, err := strconv.ParseInt(digits, 10, 32)
	if !ok || err != nil || n < 0 {
		return 0
	}
	return n << 10
}
