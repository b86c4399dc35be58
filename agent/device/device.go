package device

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/isocost/isocost/internal/sysfs"
)

// Device is a machine seen through the files under a root.
type Device struct {
	fs *sysfs.FS
	// Run executes a program on the device and returns its standard output. It is
	// nil where nothing can be executed (a captured tree, or no Android); then what
	// only a program can tell (Android properties, thermal status) is absent.
	Run func(ctx context.Context, program string, args ...string) ([]byte, error)

	properties map[string]string // what getprop answered; nil until it has
}

// Open returns the machine under root: "/" for this one, or a captured tree.
func Open(root string) (*Device, error) {
	f, err := sysfs.Open(root)
	if err != nil {
		return nil, fmt.Errorf("open the device tree: %w", err)
	}
	d := &Device{fs: f}
	if f.Live() {
		d.Run = androidRunner()
	}
	return d, nil
}

// Live reports whether the device is the machine this program runs on.
func (d *Device) Live() bool { return d.fs.Live() }

// Absence says what is not there, why, and what to do about it (Cure may be "",
// when nothing can be done).
type Absence struct {
	What   string `json:"what"`
	Reason string `json:"reason"`
	Cure   string `json:"cure,omitempty"`

	broken bool // it is there and does not answer
}

func (a Absence) String() string {
	s := a.What + ": " + a.Reason
	if a.Cure != "" {
		s += " (" + a.Cure + ")"
	}
	return s
}

// reason puts a read error into words that do not repeat the whole path.
func reason(err error) string {
	var pe *fs.PathError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, fs.ErrNotExist):
		return "the kernel here does not offer it"
	case errors.Is(err, fs.ErrPermission):
		if errors.As(err, &pe) {
			return "permission denied: " + pe.Path
		}
		return "permission denied"
	case errors.Is(err, syscall.EAGAIN):
		return "the driver keeps answering “try again”"
	}
	return err.Error()
}

// cure says what to do about a read error, or "".
func (d *Device) cure(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		if d.Live() && os.Geteuid() == 0 {
			return "a container or security policy hides it: run on the host itself"
		}
		return "run as root, or let your user read the file"
	}
	return ""
}
