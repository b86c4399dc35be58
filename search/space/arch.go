package space

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/lut"
)

// Key is the architecture's canonical one-line text: one field per layer, joined by
// "|", each choice[:width][:precision]; the width index is left out when 0 and
// the precision when "". Equal architectures have equal keys.
//
//	mb_k3_e6:2:int8|skip:2:fp32|mb_k5_e3:4:fp32
func (a Arch) Key() string {
	var b strings.Builder
	for i, l := range a.Layers {
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteString(l.Choice)
		if l.Width != 0 {
			b.WriteByte(':')
			b.WriteString(strconv.Itoa(l.Width))
		}
		if l.Precision != "" {
			b.WriteByte(':')
			b.WriteString(string(l.Precision))
		}
	}
	return b.String()
}

// ParseArch reads what Key writes, and nothing else. It knows no space: use
// Space.Validate on the result.
func ParseArch(key string) (Arch, error) {
	var a Arch
	for i, field := range strings.Split(key, "|") {
		var l Layer
		parts := strings.Split(field, ":")
		l.Choice, parts = parts[0], parts[1:]
		if !isChoice(l.Choice) {
			return Arch{}, fmt.Errorf("architecture %.200q: layer %d: choice %.50q is not a name", key, i, l.Choice)
		}
		if len(parts) > 0 && parts[0] != "" && parts[0][0] >= '0' && parts[0][0] <= '9' {
			w, err := strconv.Atoi(parts[0])
			if err != nil || w < 1 || w > maxWidths || strconv.Itoa(w) != parts[0] {
				return Arch{}, fmt.Errorf("architecture %.200q: layer %d: width index %.50q is not a whole number from 1 to %d", key, i, parts[0], maxWidths)
			}
			l.Width, parts = w, parts[1:]
		}
		if len(parts) > 0 {
			l.Precision = lut.Precision(parts[0])
			if !validPrecision(l.Precision) {
				return Arch{}, fmt.Errorf("architecture %.200q: layer %d: unknown precision %.50q", key, i, parts[0])
			}
			parts = parts[1:]
		}
		if len(parts) > 0 {
			return Arch{}, fmt.Errorf("architecture %.200q: layer %d: more than choice:width:precision", key, i)
		}
		a.Layers = append(a.Layers, l)
	}
	return a, nil
}

// Clone returns a copy that shares no memory with a.
func (a Arch) Clone() Arch {
	return Arch{Layers: append([]Layer(nil), a.Layers...)}
}

// validPrecision accepts a precision, or one per device (see PerDevice).
func validPrecision(p lut.Precision) bool {
	for one := range strings.SplitSeq(string(p), perDeviceMark) {
		if !slices.Contains(lut.Precisions, lut.Precision(one)) {
			return false
		}
	}
	return true
}

// isChoice accepts letters, digits and . _ - (names of choices and stages): what
// needs no quoting in any of the files they appear in.
func isChoice(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
