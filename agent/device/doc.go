// Package device says what the machine is and how it is doing: identity,
// topology, clocks, temperatures, throttling evidence, battery, load, and the
// sensors that measure energy and memory. It reads the files under a root given
// as a parameter, so a tree captured on a board (scripts/capture-sysfs.sh) reads
// like the board.
//
// An absent thing is nil, with an [Absence] that names the reason and the cure;
// one broken sensor never hides the others, and an estimate never stands in for
// a measurement. The package changes nothing on the machine except through
// [HoldClocks], [StartPinned] and [PinProcess], and never reads a sensor on its
// own: a caller decides when, outside of what it times.
package device
