package space

import (
	"fmt"
	"strings"

	"github.com/isocost/isocost/lut"
)

// perDeviceMark joins the precisions a layer has on the devices, in their order.
const perDeviceMark = "/"

// maxDevices bounds the precisions of a layer: every combination is one.
const maxDevices = 4

// PerDevice is a space whose layers have a precision of their own on each of
// several devices, while choices and widths are common to all: one architecture,
// built once per device. A layer's precision is the devices' joined,
//
//	mb_k3_e6:2:fp32/int8
//
// and every combination of the base space's precisions is admissible. It lowers to
// no network; Project has one device's.
type PerDevice struct {
	Space
	devices int
	lists   [][]lut.Precision
}

// NewPerDevice makes the space of a base space on n devices.
func NewPerDevice(base Space, n int) (*PerDevice, error) {
	if n < 2 || n > maxDevices {
		return nil, fmt.Errorf("a precision per device needs 2 to %d devices, not %d", maxDevices, n)
	}
	p := &PerDevice{Space: base, devices: n}
	for l := range base.Layers() {
		own := base.Precisions(l)
		if len(own) == 0 {
			return nil, fmt.Errorf("the space %s has no precisions to choose per device", base.Name())
		}
		all := []lut.Precision{""}
		for d := range n {
			var longer []lut.Precision
			for _, head := range all {
				for _, x := range own {
					if d > 0 {
						x = head + perDeviceMark + x
					}
					longer = append(longer, x)
				}
			}
			all = longer
		}
		p.lists = append(p.lists, all)
	}
	return p, nil
}

// Base is the space of one device.
func (p *PerDevice) Base() Space { return p.Space }

// Devices is their number.
func (p *PerDevice) Devices() int { return p.devices }

// Precisions lists every combination, the widest first.
func (p *PerDevice) Precisions(l int) []lut.Precision { return p.lists[l] }

// Default is the base space's, the same on every device.
func (p *PerDevice) Default() Arch { return p.Lift(p.Space.Default()) }

// Lift gives every device the precisions of an architecture of the base space;
// one that has them per device is left as it is.
func (p *PerDevice) Lift(a Arch) Arch {
	out := a.Clone()
	for l := range out.Layers {
		if x := &out.Layers[l].Precision; !strings.Contains(string(*x), perDeviceMark) {
			*x = lut.Precision(strings.Repeat(string(*x)+perDeviceMark, p.devices-1)) + *x
		}
	}
	return out
}

// Project is the architecture as device d has it, of the base space.
func (p *PerDevice) Project(a Arch, d int) Arch {
	out := a.Clone()
	for l := range out.Layers {
		x := string(out.Layers[l].Precision)
		for range d {
			_, x, _ = strings.Cut(x, perDeviceMark)
		}
		x, _, _ = strings.Cut(x, perDeviceMark)
		out.Layers[l].Precision = lut.Precision(x)
	}
	return out
}

// Variants are the different architectures the devices have, in their order.
func (p *PerDevice) Variants(a Arch) []Arch {
	var out []Arch
	seen := map[string]bool{}
	for d := range p.devices {
		v := p.Project(a, d)
		if k := v.Key(); !seen[k] {
			seen[k] = true
			out = append(out, v)
		}
	}
	return out
}

// Validate says why an architecture is not of this space.
func (p *PerDevice) Validate(a Arch) error {
	for l, x := range a.Layers {
		if n := 1 + strings.Count(string(x.Precision), perDeviceMark); n != p.devices {
			return fmt.Errorf("layer %d: %d precisions for %d devices", l, n, p.devices)
		}
	}
	for d := range p.devices {
		if err := p.Space.Validate(p.Project(a, d)); err != nil {
			return err
		}
	}
	return nil
}

// Skipped is the base space's: a skipped layer has no precision to speak of.
func (p *PerDevice) Skipped(a Arch, l int) bool {
	m, ok := p.Space.(interface{ Skipped(a Arch, l int) bool })
	return ok && m.Skipped(p.Project(a, 0), l)
}

var _ Space = (*PerDevice)(nil)
