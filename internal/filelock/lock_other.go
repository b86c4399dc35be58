//go:build !unix

// Package filelock keeps two processes off one file.
package filelock

import (
	"io"
	"os"
)

// Lock opens the file; there is no lock that ends with the process here.
func Lock(path string) (io.Closer, error) { return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666) }
