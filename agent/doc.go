// Package agent is the measuring run: the protocol, sampling, validity, the
// journal, and the child process that keeps a driver's crash from ending a
// campaign. It knows runtimes only through Backend and devices only through
// agent/device.
package agent
