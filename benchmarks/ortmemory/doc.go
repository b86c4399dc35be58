// Package ortmemory plans the activations of a network as ONNX Runtime's CPU provider
// does: which kernels write onto their input, which buffers are used again, and what is
// in use at once. It reads shapes and never weights, so that the peak of a chain is
// planned from its graph.
package ortmemory
