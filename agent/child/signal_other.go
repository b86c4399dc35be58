//go:build !unix

package child

import "os"

// signalName names no signals where processes have none.
func signalName(state *os.ProcessState) string { return "" }
