// Package benchmarks is the catalogue: which operators and blocks can be
// measured, how each is built as a model, and the plan that says what to measure.
//
// A model is a Chain: keyed operators one after another. A case is a sum of
// chains with coefficients, so that a marginal cost – (pre + block + post) minus
// (pre + post) – is data, not code. The package knows nothing of devices.
//
// An operator is defined in one place: an element-wise one is an entry of functions.go
// (one input) or pairs.go (two), any other a file (conv.go, concat.go, mbconv.go …).
// Engines – kind.go, build.go, frame.go, cold.go, layout.go, and the packages onnxwriter,
// tflitewriter, reference, tfgraph – name none; internal/archtest keeps that. To add one:
//
//  1. Write its entry or file. A zero value says nothing: TestDefinitionsSayEverything
//     lists what is missing. What a format lacks is None with the reason, or its parts.
//  2. go test ./benchmarks -update: its kernels and what its frame leaves on ONNX Runtime,
//     its line of docs/catalogue.md. Read them: the operator's own node must be there.
//  3. go test ./agent/tflite -run 'Kernels|Frames' -update does the same on LiteRT and
//     TensorFlow Lite.
//  4. A runtime that treats it specially says so in that runtime's table
//     (benchmarks/ortmodel/operators.go); readers know it by its ONNX name and TFLite code.
//  5. Review the golden files like code, and run make test.
package benchmarks
