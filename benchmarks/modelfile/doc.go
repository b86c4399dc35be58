// Package modelfile opens the files that hold a network – an ONNX or a TensorFlow Lite
// model, or the kernels that agent lower wrote of one – and answers what every program
// asks of them: which format it is, what goes in and comes out, which dimensions the file
// leaves open and what --dim makes of them, and which kernels the model is made of.
//
// What a file is, its content says; the extension is asked only where the content does
// not tell (ONNX has no signature). What often lies in a model's place – a Git LFS
// pointer, a web page, an archive of weights – is called by its name.
package modelfile
