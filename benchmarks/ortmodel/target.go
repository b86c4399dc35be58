package ortmodel

import (
	"cmp"
	"fmt"
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
	// ChannelsLast says that the library computes some float convolutions with the channels
	// last (core/optimizer/nhwc_transformer.cc, with KleidiAI on a processor with SME) and
	// changes layouts around them. No rule here says which.
	ChannelsLast bool
	// Signed says that the library convolves and multiplies signed bytes as such (its
	// QDQIsInt8Allowed: on ARM). Elsewhere it makes them unsigned where it can, and computes
	// in floats where it cannot.
	Signed bool
}

// Feature and LastFeature name Channels and ChannelsLast in a runtime's features: "nchwc=8",
// "nhwc=1".
const (
	Feature     = "nchwc"
	LastFeature = "nhwc"
)

// On is the machine that a table's costs are of, as far as the table says it. Where it
// does not say how maps lie, they lie plain on ARM, for which the packages of ONNX Runtime
// are built without another layout.
func On(d lut.Device, r lut.Runtime) Target {
	var t Target
	for f := range strings.FieldsSeq(r.Features) {
		name, text, _ := strings.Cut(f, "=")
		n, err := strconv.Atoi(text)
		switch {
		case err != nil || n < 1:
		case name == Feature:
			t.Channels = n
		case name == LastFeature:
			t.ChannelsLast = true
		}
	}
	if t.Signed = strings.HasPrefix(d.Arch, "arm"); t.Signed && t.Channels == 0 {
		t.Channels = 1
	}
	return t
}

// String says where maps lie so.
func (t Target) String() string {
	switch t.Block() {
	case 1:
		return "on a processor whose maps lie plain"
	case 16:
		return "on a processor with AVX-512"
	}
	return fmt.Sprintf("on a processor with maps in blocks of %d channels", t.Block())
}

// Block is the channels of one block.
func (t Target) Block() int { return cmp.Or(t.Channels, 16) }

// Blocks says whether the runtime lays float maps out in blocks at all.
func (t Target) Blocks() bool { return t.Block() > 1 }
