package study

import "fmt"

// retained is what finals carried to another table keep of the gain that the method's own
// searches there have: a final that stays outside gives way to its anchor.
func (r *Results) retained(t TransferRow) string {
	kept, own := 0.0, 0.0
	for _, u := range r.Units {
		if u.Method != t.Method {
			continue
		}
		if g, ok := u.Gain(); ok && u.Table == t.To {
			own += g
		}
		if u.Table != t.From {
			continue
		}
		for _, tr := range u.Transfer {
			if g, ok := tr.Utility.over(u.AnchorUtility); ok && tr.Table == t.To && tr.Inside {
				kept += g
			}
		}
	}
	if !(own > 0) {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*kept/own)
}
