package ortmodel

import "cmp"

// Target holds what depends on the machine that the runtime runs on.
type Target struct {
	// Channels is the block of channels in which float maps lie in the runtime's layout
	// NCHWc (MlasNchwcGetBlockSize): 16 with registers of 512 bits, 8 with 256; 0 means 16.
	Channels int
}

// Block is the channels of one block.
func (t Target) Block() int { return cmp.Or(t.Channels, 16) }
