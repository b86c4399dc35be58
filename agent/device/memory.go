package device

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Resident returns the resident memory of a process now and its peak since the
// process started or since the last reset, in bytes (VmRSS and VmHWM).
func Resident(pid int) (now, peak int64, err error) {
	name := fmt.Sprintf("/proc/%d/status", pid)
	f, err := os.Open(name)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		key, value, _ := strings.Cut(sc.Text(), ":")
		var into *int64
		switch key {
		case "VmRSS":
			into = &now
		case "VmHWM":
			into = &peak
		default:
			continue
		}
		kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", name, err)
		}
		*into = kb << 10
	}
	if err := sc.Err(); err != nil {
		return 0, 0, err
	}
	if peak == 0 {
		return 0, 0, fmt.Errorf("%s: no VmHWM: the process has ended", name)
	}
	return now, peak, nil
}

// MemoryMeter returns a Meter of the peak resident bytes that a process adds
// above what it holds at Start. The kernel's high-water mark is reset at Start by
// writing 5 to clear_refs (proc(5)); where that is not allowed Start fails.
func MemoryMeter(pid int) Meter { return &memoryMeter{pid: pid} }

type memoryMeter struct {
	pid     int
	base    int64
	started time.Time
}

var _ Meter = (*memoryMeter)(nil)

func (m *memoryMeter) Unit() string { return "B" }

func (m *memoryMeter) Start(context.Context) error {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", m.pid), []byte("5"), 0); err != nil {
		return fmt.Errorf("reset the memory high-water mark: %w", err)
	}
	now, _, err := Resident(m.pid)
	m.base, m.started = now, time.Now()
	return err
}

func (m *memoryMeter) Stop() (Reading, error) {
	if m.started.IsZero() {
		return Reading{}, errors.New("memory: stopped without a start")
	}
	_, peak, err := Resident(m.pid)
	if err != nil {
		return Reading{}, err
	}
	r := Reading{Value: float64(max(0, peak-m.base)), Window: time.Since(m.started), Updates: 1}
	m.started = time.Time{}
	return r, nil
}
