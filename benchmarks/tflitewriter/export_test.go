package tflitewriter

// Permuted is permuted for the tests, which build graphs of the catalogue's operators.
func Permuted(data []float32, shape []int, l Layout) []float32 { return permuted(data, shape, l) }
