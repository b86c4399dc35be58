package benchmarks

// ONNXName is the ONNX operator that a kind's own operator becomes, "" when it has none or
// becomes several.
func ONNXName(kind string) string {
	if o := kinds[kind].operator; o != nil {
		return o.onnx.Name
	}
	return ""
}
