package costgen

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/isocost/isocost/costgen/devicemodel"
	"github.com/isocost/isocost/lut"
)

// fittedModel is a model of the device with the networks that it priced without their
// families.
type fittedModel struct {
	judges
	m    *devicemodel.Model
	held []heldOut
}

// crossAudit judges a table by the networks that calibrate it: each as priced without its
// family's kernels, calibrated on the other families, with an interval that those set. A
// table that keeps all of them is at least as good as those that are judged. It leaves the
// model's own intervals as the last family's judgement has set them.
func (f *fittedModel) crossAudit(ctx context.Context, t *lut.Table, sweep lut.Sweep, opt Options) *lut.Audit {
	family := func(h heldOut) string { return FamilyOfNetwork(f.c.calibrate[h.index].title()) }
	byFamily := map[string]bool{}
	for _, h := range f.held {
		byFamily[family(h)] = true
	}
	traffic := opt.reach(t.File().Device)
	var ps []priced
	for name := range byFamily {
		var points []point
		var others []heldOut
		for _, h := range f.held {
			if family(h) != name {
				n := f.c.calibrate[h.index]
				points, others = append(points, point{n.id, h.raw, h.value, len(n.ops), traffic.moved(n.ops), family(h)}), append(others, h)
			}
		}
		cal, predicted := f.calibrate(ctx, points, traffic)
		if cal == nil {
			continue // too few others to calibrate by: nothing can be said of this family
		}
		f.conform(f.m, others, predicted)
		for _, h := range f.held {
			if family(h) != name {
				continue
			}
			n := f.c.calibrate[h.index]
			n.value = h.value
			p := priced{network: n, index: h.index, sum: h.raw - f.overhead(), uncalibrated: h.raw}
			p.predicted.Value = f.apply(cal, h.raw, n)
			if !(p.predicted.Value > 0) {
				p.predicted.Value = h.value / 20 // as far off as can be said
			}
			p.predicted.Lo, p.predicted.Hi = f.m.Interval(p.predicted.Value, h.stdErr)
			p.relativeError = math.Abs(p.predicted.Value/n.value - 1)
			ps = append(ps, p)
		}
	}
	slices.SortFunc(ps, func(a, b priced) int { return cmp.Compare(a.index, b.index) })
	return auditOf(t, ps, sweep, opt)
}
