// Package benchmarks is the catalogue: which operators and blocks can be
// measured, how each is built as a model, and the plan that says what to measure.
//
// A model is a Chain: keyed operators one after another. A case is a sum of
// chains with coefficients, so that a marginal cost – (pre + block + post) minus
// (pre + post) – is data, not code. The package knows nothing of devices.
package benchmarks
