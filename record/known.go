package record

import "slices"

// Known says whether a validity is one that records can have.
func (v Validity) Known() bool { return slices.Contains(codes, v) || Failure(v) }

// Costed are the validities of records that carry a cost, though something is said against it.
func Costed() []Validity {
	return slices.DeleteFunc(slices.Clone(codes), func(v Validity) bool { return v == OK || Failure(v) })
}
