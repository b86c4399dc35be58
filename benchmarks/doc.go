// Package benchmarks is the catalogue: which operators and blocks can be
// measured, how each is built as a model, and the plan that says what to measure.
//
// A model is a Chain: keyed operators one after another. A case is a sum of
// chains with coefficients, so that a marginal cost – (pre + block + post) minus
// (pre + post) – is data, not code. The package knows nothing of devices.
//
// An operator is defined in one place: an element-wise one is an entry of functions.go
// (one input) or pairs.go (two), any other a file (conv.go, concat.go, mbconv.go …).
// Everything else names none but the runtimes' tables; internal/archtest keeps that. To add one:
//
//  1. Write its entry or file. A zero value says nothing: TestDefinitionsSayEverything
//     lists what is missing. What a format lacks is None with the reason, or its parts.
//  2. go test ./benchmarks -update: its kernels and what its frame leaves on ONNX Runtime,
//     its line of docs/catalogue.md. Read them: the operator's own node must be there.
//  3. go test ./agent/tflite -run 'Kernels|Frames' -update does the same on LiteRT and
//     TensorFlow Lite.
//  4. An operator that is not element-wise takes a row in each runtime's table, by the name
//     the format has for it: benchmarks/ortmodel/operators.go, benchmarks/litertmodel/operators.go.
//     The row names the kind and the rule that reads its attributes and shapes; there are
//     rules for pools, products, reductions, rows, cuts, joins, copies, conversions. One
//     that no rule suits needs its own beside them. Without a row it is measured, and
//     models that have it say that it is not priced.
//  5. Review the golden files like code, and run make test.
package benchmarks
