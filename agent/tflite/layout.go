package tflite

import "github.com/isocost/isocost/agent"

// The file's layout is channels last; a graph's is N,C,H,W. Only values of rank
// four differ.

// toFile turns a graph-layout array into the file's.
func toFile(t agent.Tensor, size int) agent.Tensor {
	if len(t.Shape) != 4 {
		return t
	}
	n, c, hw := t.Shape[0], t.Shape[1], t.Shape[2]*t.Shape[3]
	t.Data = swap(t.Data, n, c, hw, size)
	t.Shape = []int{t.Shape[0], t.Shape[2], t.Shape[3], t.Shape[1]}
	return t
}

// toGraph turns a file-layout array into the graph's.
func toGraph(t agent.Tensor, size int) agent.Tensor {
	if len(t.Shape) != 4 {
		return t
	}
	n, hw, c := t.Shape[0], t.Shape[1]*t.Shape[2], t.Shape[3]
	t.Data = swap(t.Data, n, hw, c, size)
	t.Shape = []int{t.Shape[0], t.Shape[3], t.Shape[1], t.Shape[2]}
	return t
}

// swap transposes n matrices of a×b elements.
func swap(data []byte, n, a, b, size int) []byte {
	out := make([]byte, len(data))
	for m := range n {
		in, to := data[m*a*b*size:], out[m*a*b*size:]
		for i := range a {
			for j := range b {
				copy(to[(j*a+i)*size:(j*a+i+1)*size], in[(i*b+j)*size:])
			}
		}
	}
	return out
}
