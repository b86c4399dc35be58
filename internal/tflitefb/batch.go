package tflitefb

import "slices"

// WithBatch is the model with n items in place of those that its tensors are laid out
// for, as the runtime resizes it: the first dimension of every tensor that has one open. It is
// not ok where the file leaves more than that open, or where an operator ends the batch (a
// reshape to sizes that are constants), so that only the runtime knows the shapes.
func (m *Model) WithBatch(n int) (resized *Model, ok bool) {
	isOpen := func(i int32) bool {
		return i >= 0 && slices.ContainsFunc(m.Tensors[i].Dynamic, func(d int32) bool { return d < 0 })
	}
	out := *m
	out.Tensors = slices.Clone(m.Tensors)
	for i := range out.Tensors {
		t := &out.Tensors[i]
		if !isOpen(int32(i)) {
			continue
		}
		if t.Dynamic[0] >= 0 || t.Shape[0] != 1 || slices.ContainsFunc(t.Dynamic[1:], func(d int32) bool { return d < 0 }) {
			return nil, false
		}
		t.Shape = slices.Clone(t.Shape)
		t.Shape[0] = int32(n)
	}
	for _, o := range m.Operators {
		batched := slices.ContainsFunc(o.Inputs, isOpen)
		if slices.ContainsFunc(o.Outputs, func(i int32) bool { return isOpen(i) != batched }) {
			return nil, false
		}
	}
	return &out, true
}
