// Package staircase finds how costs depend on the residue of a coordinate.
//
// Kernels work in blocks of channels, and costs follow a staircase or a saw-tooth in
// the channels' residue: ONNX Runtime's fp32 convolutions pay whole blocks of 16, its
// int8 depthwise convolution takes twice as long where the channels are not a multiple
// of 16. No interpolation between widths predicts that, but it is a property of the
// kernel: what one line of a family shows holds for the others, and nearly so for
// other families of the kind.
//
// The model, for all families of one kind and precision along one axis: the logarithm
// of a cost is a smooth function of the position plus θ(residue), and
//
//	θ = μ(residue) + φ(family, residue) + δ(line, residue),  θ(0) = 0
//
// with independent normal priors. An inner knot of a line tells its own θ against
// those of the two knots around it, by the straight line between them. That is linear
// in θ once the shares of the two neighbours are fixed: a few Gauss–Newton steps give
// mean and covariance, those of a Gaussian process whose kernel is three indicators.
// Forms (period, whole blocks or not) are compared by leaving out positions, in eight parts;
// decision 0403.
package staircase
