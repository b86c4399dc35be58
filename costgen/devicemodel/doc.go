// Package devicemodel prices kernels that nobody measured, by what a device's measured
// kernels have in common, and says how wrong the price may be.
//
// The model of a kernel's cost is
//
//	log cost = log(physics of its kind) + process of its kind + what is its own
//
// The physics are prices per dispatch, multiply-add and byte that are not negative. The
// process is Gaussian over the kernel's size, attributes and precision, with length scales
// learned from the data (Rasmussen and Williams 2006, chapters 2 and 5) and approximated from
// a few dozen inducing points (FITC; Snelson and Ghahramani 2006). What is a kernel's
// own is independent of every other kernel's and known only by measuring it: a kernel that
// was measured exactly keeps its measured cost.
//
// Observations are sums of kernels: one kernel, a chain of some, a whole network. The
// estimate of a network is the joint posterior of its kernels, so that errors which
// kernels share do not average out, scaled by how far families of networks fell from their
// predictions when they were left out (conformal).
//
// The package knows no file format and no device. A kernel whose kind has never been observed
// is missing, never free.
package devicemodel
