// Package target runs a measuring job on another device: it pushes what the
// device lacks, starts the job detached there, streams its records back, and
// goes on after the link was lost.
//
// A [Conn] is one link (local, adb, ssh) and knows nothing of jobs: it executes a
// program and pushes a file. Everything else the device side does is done by the
// agent itself, pushed first, so nothing depends on which tools a phone has.
// Nothing listens on a port, no argument is ever interpreted by a shell, and
// files pushed are readable by their owner only.
package target
