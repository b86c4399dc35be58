//go:build !linux

package device

import (
	"errors"
	"os/exec"
)

var errAffinity = errors.New("threads can be pinned to cores on Linux and Android only")

// StartPinned is supported on Linux and Android.
func StartPinned(*exec.Cmd, CoreSet) error { return errAffinity }

// PinProcess is supported on Linux and Android.
func PinProcess(CoreSet) error { return errAffinity }

// ThreadMasks is supported on Linux and Android.
func ThreadMasks(int) (map[int]CoreSet, error) { return nil, errAffinity }

// CheckPinned is supported on Linux and Android.
func CheckPinned(int, CoreSet) error { return errAffinity }

// Allowed is supported on Linux and Android.
func Allowed() (CoreSet, error) { return nil, errAffinity }
