package study

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
)

// Unit is one search: a method from an anchor on a table with a seed. Costs are
// the table's; deviations are fractions of the anchor's cost.
type Unit struct {
	Method     string  `json:"method"`
	Table      string  `json:"table"`
	Anchor     string  `json:"anchor"`
	Seed       uint64  `json:"seed"`
	Final      string  `json:"final"`
	AnchorCost float64 `json:"anchor_cost"`
	Cost       float64 `json:"cost"`
	Deviation  float64 `json:"deviation"`
	Inside     bool    `json:"inside"`
	Samples    int     `json:"samples"`
	// Spent holds what the samples cost in full ones, where some are of low fidelity.
	Spent     *float64 `json:"spent,omitempty"`
	Archs     int      `json:"archs"`
	Moves     int      `json:"moves"`
	Naive     *float64 `json:"naive,omitempty"` // the final's mean by the search's own samples
	Certified bool     `json:"certified,omitempty"`
	// Vacuous says that every neighbour was retired and there were fewer than three: it is
	// no certificate.
	Vacuous    bool     `json:"vacuous,omitempty"`
	EpsilonHat *float64 `json:"epsilon_hat,omitempty"`
	Lambda     float64  `json:"lambda,omitempty"`
	Stop       string   `json:"stop"`
	// Utilities on samples the search has not seen (or of the whole finite pool).
	AnchorUtility *Estimate `json:"anchor_utility,omitempty"`
	Utility       *Estimate `json:"utility,omitempty"`
	// Regret is the expected utility of the best network inside the anchor's band less the
	// final's; absent where it is not on file, and for a final outside.
	Regret *float64     `json:"regret,omitempty"`
	Curve  []CurvePoint `json:"curve,omitempty"`
	// Control is the anchor rescaled to the final's cost; nil in a space that cannot.
	Control  *Control    `json:"control,omitempty"`
	Measured *DeviceCost `json:"measured,omitempty"` // the final by its device
	Transfer []Transfer  `json:"transfer,omitempty"`
}

// Estimate is a mean over n samples with their standard deviation.
type Estimate struct {
	N    int     `json:"n"`
	Mean float64 `json:"mean"`
	SD   float64 `json:"sd"`
}

// Control is the cost-control arm.
type Control struct {
	Arch     string      `json:"arch"`
	Cost     float64     `json:"cost"`
	Utility  *Estimate   `json:"utility,omitempty"`
	Measured *DeviceCost `json:"measured,omitempty"`
}

// Transfer is a final carried to another table at that table's budget of the
// anchor.
type Transfer struct {
	Table     string      `json:"table"`
	AsIs      float64     `json:"as_is"` // deviation before re-compensation, of several tables the largest
	Was       bool        `json:"was_inside"`
	Arch      string      `json:"arch"`
	Deviation float64     `json:"deviation"`
	Inside    bool        `json:"inside"`
	Utility   *Estimate   `json:"utility,omitempty"`
	Measured  *DeviceCost `json:"measured,omitempty"` // by that table's device
}

// spent returns what the samples cost in full ones.
func (u *Unit) spent() float64 {
	if u.Spent != nil {
		return *u.Spent
	}
	return float64(u.Samples)
}

// Gain is the final's utility over the anchor's; ok is false without both.
func (u *Unit) Gain() (gain float64, ok bool) { return u.Utility.over(u.AnchorUtility) }

func (e *Estimate) over(base *Estimate) (float64, bool) {
	if e == nil || base == nil {
		return 0, false
	}
	return e.Mean - base.Mean, true
}

// file says where a unit is kept; it depends on what the unit is, not on its place
// in the lists, so that a study can grow.
func (u *Unit) file() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{u.Method, u.Table, u.Anchor, strconv.FormatUint(u.Seed, 10)}, "\n")))
	return hex.EncodeToString(sum[:8]) + ".json"
}

// encodeJSON is the canonical text of our own types.
func encodeJSON(v any) ([]byte, error) { return strictjson.Text(v, " ") }

// decodeJSON reads what encodeJSON wrote, and nothing else.
func decodeJSON(name string, data []byte, v any) error {
	err := strictjson.Known(data, v)
	if err == nil {
		var again []byte
		if again, err = encodeJSON(v); err == nil {
			err = strictjson.Canonical(data, again)
		}
	}
	if err != nil {
		return hint.Wrap(strictjson.In(name, err), "remove the file and run isosearch study again: it goes on from the evaluations it has")
	}
	return nil
}
