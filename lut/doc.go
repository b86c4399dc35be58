// Package lut is the cost table: the operator key, the file format, the query
// and its uncertainty.
//
// A table answers one question, what does this operator cost on that device,
// and refuses to guess: an operator it has never seen is ErrUnknownOp and a
// point outside the measured box is ErrOutOfRange. It imports only the standard
// library so that any program can embed it.
package lut
