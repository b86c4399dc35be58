// Package campaign measures a plan under a protocol: it forms groups, takes interleaved
// rounds through a child process, journals every visit, survives whatever the child dies
// of, and writes a record for every case. Everything it decides is a function of the
// journal, so that a killed campaign goes on as if it had not been.
package campaign
