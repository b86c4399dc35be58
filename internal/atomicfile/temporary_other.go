//go:build !unix

package atomicfile

import "os"

// temporary opens a fresh file: there is no lock here that ends with the process.
func temporary(dir, name string, perm os.FileMode) (*os.File, error) { return fresh(dir, name, perm) }

// publish closes the written file and gives it its name, in this order: an open file
// cannot be renamed on Windows.
func publish(f *os.File, path string) error {
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// discard removes the file, which must be closed for it.
func discard(f *os.File) {
	f.Close()
	os.Remove(f.Name())
}

// syncDir does nothing: Windows journals names itself and refuses to flush a folder
// that is open for reading.
func syncDir(string) error { return nil }
