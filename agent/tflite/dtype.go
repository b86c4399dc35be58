package tflite

import "fmt"

// dtypes are the element types a session can be fed with, by TfLiteType's number,
// which LiteRtElementType repeats: numpy's name and the size in bytes.
var dtypes = map[int]struct {
	name string
	size int
}{
	1: {"float32", 4}, 2: {"int32", 4}, 3: {"uint8", 1}, 4: {"int64", 8}, 6: {"bool", 1}, 7: {"int16", 2}, 9: {"int8", 1},
	10: {"float16", 2}, 11: {"float64", 8}, 13: {"uint64", 8}, 16: {"uint32", 4}, 17: {"uint16", 2}, 19: {"bfloat16", 2},
}

// tensorInfo is an input or output of an open session, in the file's layout.
type tensorInfo struct {
	name  string
	dtype string
	size  int // of an element, bytes
	shape []int
	bytes int
}

func newTensorInfo(name string, kind int, shape []int, bytes int) (tensorInfo, error) {
	d, ok := dtypes[kind]
	if !ok {
		return tensorInfo{}, fmt.Errorf("tensor %q has element type %d, which isocost cannot fill", name, kind)
	}
	n := d.size
	for _, s := range shape {
		if s < 1 {
			return tensorInfo{}, fmt.Errorf("tensor %q has the unknown shape %v", name, shape)
		}
		n *= s
	}
	if n != bytes {
		return tensorInfo{}, fmt.Errorf("tensor %q of shape %v and type %s takes %d bytes, the runtime says %d", name, shape, d.name, n, bytes)
	}
	return tensorInfo{name, d.name, d.size, shape, bytes}, nil
}
