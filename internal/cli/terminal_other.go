//go:build !unix

package cli

import "os"

func terminalWidth(_ *os.File, fallback int) int { return fallback }
