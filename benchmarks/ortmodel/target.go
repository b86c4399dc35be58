package ortmodel

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/isocost/isocost/lut"
)

// Target holds what depends on the machine that the runtime runs on.
type Target struct {
	// Channels is the block of channels in which float maps lie in the runtime's layout
	// NCHWc (MlasNchwcGetBlockSize): 16 with registers of 512 bits, 8 with 256, 1 where the
	// library has no such layout; 0 is not known and means 16.
	Channels int
}

// Feature names Channels in a runtime's features: "nchwc=8".
const Feature = "nchwc"

// On is the machine that a table's costs are of, as far as the table says it.
func On(r lut.Runtime) Target {
	for f := range strings.FieldsSeq(r.Features) {
		if text, ok := strings.CutPrefix(f, Feature+"="); ok {
			if n, err := strconv.Atoi(text); err == nil && n > 0 {
				return Target{Channels: n}
			}
		}
	}
	return Target{}
}

// Block is the channels of one block.
func (t Target) Block() int { return cmp.Or(t.Channels, 16) }

// Blocks says whether the runtime lays float maps out in blocks at all.
func (t Target) Blocks() bool { return t.Block() > 1 }
