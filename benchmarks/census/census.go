package census

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
)

// Network is one network of a census.
type Network struct {
	Name string `json:"name"`
	// Family names the networks that share its blocks: what was measured of one tells of
	// the others.
	Family string `json:"family"`
	// Precision holds what the network was exported in; some of its kernels may be in another.
	Precision lut.Precision `json:"precision"`
	Kernels   []lut.Op      `json:"kernels"` // first to last
	// Unpriced counts the nodes of the network that no key describes.
	Unpriced int `json:"unpriced,omitempty"`
}

// Census is a set of networks, in the order of precision, family and name.
type Census struct{ Networks []Network }

// Add puts a network in its place; one of the same precision, family and name gives way.
func (c *Census) Add(n Network) {
	i, found := slices.BinarySearchFunc(c.Networks, n, compare)
	if found {
		c.Networks[i] = n
		return
	}
	c.Networks = slices.Insert(c.Networks, i, n)
}

func compare(a, b Network) int {
	rank := func(n Network) int { return slices.Index(lut.Precisions, n.Precision) }
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Family, b.Family), cmp.Compare(a.Name, b.Name))
}

// Of is the part of the census whose networks are of one of the precisions (all, when
// none is given) and of none of the families.
func (c *Census) Of(precisions []lut.Precision, without ...string) *Census {
	out := &Census{}
	for _, n := range c.Networks {
		if (len(precisions) == 0 || slices.Contains(precisions, n.Precision)) && !slices.Contains(without, n.Family) {
			out.Networks = append(out.Networks, n)
		}
	}
	return out
}

// Families lists the families, sorted.
func (c *Census) Families() []string {
	var out []string
	for _, n := range c.Networks {
		out = append(out, n.Family)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Kernel is a kernel of a census.
type Kernel struct {
	Op       lut.Op
	Networks int // that have it
	// Share is the part of a network's time that it takes, by the roofline of
	// benchmarks.Seconds, summed over its copies and averaged over the families, of each over its networks.
	Share float64
}

// Kernels lists the kernels once each, in the order of their keys. A kernel that the
// catalogue cannot build is left out.
func (c *Census) Kernels() []Kernel {
	seconds := map[string]float64{}
	found := map[string]*Kernel{}
	inFamily := map[string]int{}
	for _, n := range c.Networks {
		inFamily[string(n.Precision)+" "+n.Family]++
	}
	for _, n := range c.Networks {
		total, times := 0.0, map[string]float64{}
		for _, op := range n.Kernels {
			key := op.String()
			s, known := seconds[key]
			if !known {
				var err error
				if s, err = benchmarks.Seconds(benchmarks.Chain{op}); err != nil {
					s = 0
				}
				seconds[key] = s
			}
			if s == 0 {
				continue
			}
			total += s
			times[key] += s
			if found[key] == nil {
				found[key] = &Kernel{Op: op}
			}
		}
		weight := 1 / float64(len(inFamily)*inFamily[string(n.Precision)+" "+n.Family])
		for key, s := range times {
			found[key].Networks++
			found[key].Share += weight * s / total
		}
	}
	out := make([]Kernel, 0, len(found))
	for _, k := range found {
		out = append(out, *k)
	}
	slices.SortFunc(out, func(a, b Kernel) int { return cmp.Compare(a.Op.String(), b.Op.String()) })
	return out
}

func (n *Network) validate() error {
	switch {
	case n.Name == "" || n.Family == "":
		return fmt.Errorf("network %q of family %q: both need a name", n.Name, n.Family)
	case !slices.Contains(lut.Precisions, n.Precision):
		return fmt.Errorf("network %s: unknown precision %q; there are %v", n.Name, n.Precision, lut.Precisions)
	case len(n.Kernels) == 0:
		return fmt.Errorf("network %s has no kernels", n.Name)
	case n.Unpriced < 0:
		return fmt.Errorf("network %s: %d unpriced nodes", n.Name, n.Unpriced)
	}
	return nil
}
