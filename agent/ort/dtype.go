package ort

// dtypes are the tensor element types a session can be fed with, by their number
// in ONNX's TensorProto.DataType, which ONNX Runtime's enumeration repeats:
// numpy's name and the size in bytes, 0 for strings, which live in the runtime.
var dtypes = map[int]struct {
	name string
	size int
}{
	1: {"float32", 4}, 2: {"uint8", 1}, 3: {"int8", 1}, 4: {"uint16", 2}, 5: {"int16", 2}, 6: {"int32", 4},
	7: {"int64", 8}, 8: {"string", 0}, 9: {"bool", 1}, 10: {"float16", 2}, 11: {"float64", 8}, 12: {"uint32", 4}, 13: {"uint64", 8},
	16: {"bfloat16", 2},
}
