package devicemodel

import "github.com/isocost/isocost/lut"

func init() {
	lut.RegisterPricer(func(d *lut.Model) (lut.Pricer, error) {
		m, err := FromData(d)
		if err != nil {
			return nil, err
		}
		return func(op lut.Op) (lut.Cost, bool) {
			e := m.Price([]Term{{op, 1}})
			if e.Missing > 0 {
				return lut.Cost{}, false
			}
			return lut.Cost{Value: e.Value, Lo: e.Lo, Hi: e.Hi, Extrapolated: e.Parts[0].Status == Extrapolated}, true
		}, nil
	})
}
