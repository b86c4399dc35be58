package device

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// CoreSet is a set of logical CPUs, ascending, without repeats.
type CoreSet []int

// maxCPUs bounds a parsed list; the kernel's own bound (NR_CPUS) is 8192.
const maxCPUs = 8192

// ParseCoreList reads the kernel's list form, "0-3,6" (cpuset(7)). The empty
// list is the empty set.
func ParseCoreList(s string) (CoreSet, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil, nil
	}
	var set CoreSet
	for part := range strings.SplitSeq(s, ",") {
		lo, hi, isRange := strings.Cut(part, "-")
		a, err := strconv.ParseUint(lo, 10, 32)
		b := a
		if err == nil && isRange {
			b, err = strconv.ParseUint(hi, 10, 32)
		}
		if err != nil || b < a || b >= maxCPUs {
			return nil, fmt.Errorf("core list %q: %q is not a CPU number or ascending range", s, part)
		}
		for c := a; c <= b; c++ {
			set = append(set, int(c))
		}
	}
	return set.sorted(), nil
}

func (c CoreSet) sorted() CoreSet {
	s := slices.Clone(c)
	slices.Sort(s)
	return slices.Compact(s)
}

// String returns the kernel's list form, "0-3,6"; ParseCoreList reads it back.
func (c CoreSet) String() string {
	var b strings.Builder
	s := c.sorted()
	for i := 0; i < len(s); {
		j := i
		for j+1 < len(s) && s[j+1] == s[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(s[i]))
		if j > i {
			fmt.Fprintf(&b, "-%d", s[j])
		}
		i = j + 1
	}
	return b.String()
}

// Equal reports whether both sets hold the same CPUs.
func (c CoreSet) Equal(o CoreSet) bool { return slices.Equal(c.sorted(), o.sorted()) }

// Contains reports whether the set holds the CPU.
func (c CoreSet) Contains(cpu int) bool { return slices.Contains(c, cpu) }

// MarshalText and UnmarshalText use the list form.
func (c CoreSet) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads the list form.
func (c *CoreSet) UnmarshalText(text []byte) error {
	set, err := ParseCoreList(string(text))
	if err == nil {
		*c = set
	}
	return err
}
