// Package torture holds a test that treats the programs as a hostile day does: files with
// bytes moved, kills at random moments, two writers at once, a full disk, folders that
// cannot be written to, limits, and every fuzz target of the module. make torture runs it.
package torture
