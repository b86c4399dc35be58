package device

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
)

// Clock policies, from asking nothing of the machine to the most.
const (
	// Observe changes nothing and records what the clocks did.
	Observe = "observe"
	// FixedPerformance asks for a speed that can be held: Android's fixed
	// performance mode; on Linux the performance governor (root).
	FixedPerformance = "fixed-performance"
	// Locked pins every clock to one frequency, without turbo (root).
	Locked = "locked"
)

// ClockPolicies lists them.
var ClockPolicies = []string{Observe, FixedPerformance, Locked}

const clockJournalFormat = "isocost/clocks/v1"

// clockJournal is written before anything is changed, so that whoever finds it
// can undo what a killed process left behind.
type clockJournal struct {
	Format  string        `json:"format"`
	Policy  string        `json:"policy"`
	Boot    string        `json:"boot"`    // boot_id: a reboot undoes everything by itself
	PID     int           `json:"pid"`     // who holds the clocks
	Started string        `json:"started"` // when it started: process numbers are used again
	Changes []clockChange `json:"changes"`
	Android bool          `json:"android"` // fixed performance mode was switched on
}

type clockChange struct {
	File string `json:"file"` // relative to the root
	Old  string `json:"old"`
	New  string `json:"new"`
}

// ClockHold is a clock policy in force.
type ClockHold struct {
	d       *Device
	path    string
	journal clockJournal
}

// HoldClocks sets a clock policy, reads it back, and returns the hold whose
// Release restores what was before. Everything to be changed is written to the
// journal file first; RestoreClocks at the next start undoes what a killed
// process left. With Observe nothing happens. It fails, with everything restored,
// when a setting does not stick, and when another living process holds the clocks.
func (d *Device) HoldClocks(ctx context.Context, policy, journal string) (*ClockHold, error) {
	if !slices.Contains(ClockPolicies, policy) {
		return nil, fmt.Errorf("clock policy %q: want one of %s", policy, strings.Join(ClockPolicies, ", "))
	}
	if _, err := d.RestoreClocks(ctx, journal); err != nil {
		return nil, err
	}
	h := &ClockHold{d: d, path: journal, journal: clockJournal{Format: clockJournalFormat, Policy: policy, Boot: d.bootID(), PID: os.Getpid(), Started: processStart(os.Getpid())}}
	if policy == Observe {
		return h, nil
	}
	var err error
	switch {
	case policy == Locked:
		h.journal.Changes, err = d.lockChanges()
	case d.Run != nil:
		h.journal.Android = true
	default:
		h.journal.Changes, err = d.governorChanges()
	}
	if err != nil {
		return nil, fmt.Errorf("clock policy %s: %w", policy, err)
	}
	data, err := json.Marshal(h.journal)
	if err != nil {
		return nil, err
	}
	if err := atomicfile.Write(journal, append(data, '\n'), 0o600); err != nil {
		return nil, fmt.Errorf("write the clock journal: %w", err)
	}
	if err := h.apply(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("clock policy %s: %w", policy, err), h.Release(ctx))
	}
	return h, nil
}

func (h *ClockHold) apply(ctx context.Context) error {
	if h.journal.Android {
		// Android has no reading of this mode; the exit status is its word
		// (frameworks/base, PowerManagerShellCommand; used so by AndroidX Benchmark).
		if out, err := h.d.Run(ctx, "cmd", "power", "set-fixed-performance-mode-enabled", "true"); err != nil {
			return hint.Wrap(fmt.Errorf("set-fixed-performance-mode-enabled: %w %s", err, bytes.TrimSpace(out)),
				"this device does not offer it (Android 11 and later may); use clock: observe, or locked with root")
		}
	}
	for _, c := range h.journal.Changes {
		if err := h.d.write(c.File, c.New); err != nil {
			if errors.Is(err, fs.ErrPermission) {
				err = hint.Wrap(err, "changing clocks needs root; or use clock: observe")
			}
			return err
		}
	}
	// Read back only after all writes: a limit may push another one.
	for _, c := range h.journal.Changes {
		got, err := h.d.fs.String(c.File)
		if err != nil {
			return err
		}
		if got != c.New {
			return hint.Wrap(fmt.Errorf("%s: wrote %s, reads %s", c.File, c.New, got),
				"something else sets the clocks (thermald, a power daemon, the firmware): stop it, or use clock: observe")
		}
	}
	return nil
}

// Policy returns the policy in force.
func (h *ClockHold) Policy() string { return h.journal.Policy }

// Evidence says by what the policy is known to be in force: "read back", "nothing to
// set", or, for Android's fixed-performance mode, "unverified". The mode has a command
// that sets it and whose exit status says that the power HAL took the request; neither
// PowerManager nor its shell command has one that reads it, and what a vendor's HAL
// dumps is its own (frameworks/base: PowerManagerShellCommand, PowerManagerService;
// hardware/interfaces/power/aidl: IPower has setMode and isModeSupported).
func (h *ClockHold) Evidence() string {
	switch {
	case h.journal.Android:
		return "unverified"
	case len(h.journal.Changes) == 0:
		return "nothing to set"
	}
	return "read back"
}

// Check reads the settings back and returns an error that names the first that
// something else has changed meanwhile.
func (h *ClockHold) Check() error {
	for _, c := range h.journal.Changes {
		if got, err := h.d.fs.String(c.File); err != nil {
			return err
		} else if got != c.New {
			return fmt.Errorf("%s was %s, reads %s now", c.File, c.New, got)
		}
	}
	return nil
}

// Release restores what was before and removes the journal. It may be called
// more than once.
func (h *ClockHold) Release(ctx context.Context) error {
	if h.journal.Policy == Observe || h.path == "" {
		return nil
	}
	if err := h.d.undo(ctx, h.journal); err != nil {
		return fmt.Errorf("restore the clocks (the journal %s is kept): %w", h.path, err)
	}
	if err := os.Remove(h.path); err != nil {
		return err
	}
	h.path = ""
	return nil
}

// RestoreClocks undoes what the journal says a dead process left behind and
// returns what it restored, in words. No journal, nothing to do. A journal whose
// process still lives is an error.
func (d *Device) RestoreClocks(ctx context.Context, journal string) ([]string, error) {
	data, err := os.ReadFile(journal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read the clock journal: %w", err)
	}
	j, err := decodeClockJournal(data)
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("clock journal %s: %w", journal, err),
			"look at the clocks by hand (agent device), then remove the file")
	}
	if j.Boot != d.bootID() { // a reboot restored everything
		return nil, os.Remove(journal)
	}
	if j.PID != os.Getpid() && syscall.Kill(j.PID, 0) == nil && processStart(j.PID) == j.Started {
		return nil, hint.Wrap(fmt.Errorf("process %d holds the clocks of this device (%s)", j.PID, j.Policy),
			"wait for it, or stop it; its settings are in %s", journal)
	}
	if err := d.undo(ctx, j); err != nil {
		return nil, fmt.Errorf("restore the clocks a killed run left (journal %s): %w", journal, err)
	}
	var out []string
	for _, c := range j.Changes {
		out = append(out, fmt.Sprintf("%s: %s → %s", c.File, c.New, c.Old))
	}
	if j.Android {
		out = append(out, "fixed performance mode switched off")
	}
	return out, os.Remove(journal)
}

func decodeClockJournal(data []byte) (clockJournal, error) {
	var j clockJournal
	if err := strictjson.Decode(data, &j); err != nil {
		return j, err
	}
	if j.Format != clockJournalFormat {
		return j, fmt.Errorf("format %q, want %q", j.Format, clockJournalFormat)
	}
	if j.PID <= 0 {
		return j, fmt.Errorf("pid %d", j.PID)
	}
	for _, c := range j.Changes {
		// The journal is obeyed as root: it may name clock settings and nothing else.
		if path.Clean(c.File) != c.File || strings.ContainsAny(c.Old, "\n\x00") ||
			!slices.ContainsFunc(clockFiles, func(p string) bool { ok, _ := path.Match(p, c.File); return ok }) {
			return j, fmt.Errorf("%q is not a clock setting", c.File)
		}
	}
	return j, nil
}

// clockFiles are all the settings this package ever writes.
var clockFiles = []string{
	"sys/devices/system/cpu/cpufreq/boost",
	"sys/devices/system/cpu/intel_pstate/no_turbo",
	"sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
	"sys/devices/system/cpu/cpufreq/policy*/scaling_min_freq",
	"sys/devices/system/cpu/cpufreq/policy*/scaling_max_freq",
	"sys/class/devfreq/*/min_freq",
	"sys/class/devfreq/*/max_freq",
}

// undo writes the old values, last change first: limits are then never crossed.
func (d *Device) undo(ctx context.Context, j clockJournal) error {
	var errs []error
	for _, c := range slices.Backward(j.Changes) {
		if now, err := d.fs.String(c.File); err == nil && now == c.Old {
			continue
		}
		errs = append(errs, d.write(c.File, c.Old))
	}
	if j.Android && d.Run != nil {
		_, err := d.Run(ctx, "cmd", "power", "set-fixed-performance-mode-enabled", "false")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (d *Device) write(name, value string) error {
	f, err := os.OpenFile(d.fs.Path(name), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value + "\n")
	return errors.Join(err, f.Close())
}

// processStart returns the start time of a process of this machine, in clock
// ticks since boot (field 22 of /proc/PID/stat, the command in parentheses
// cut off); "" where there is no /proc.
func processStart(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(f) < 20 {
		return ""
	}
	return f[19]
}

func (d *Device) bootID() string {
	id, _ := d.fs.String("proc/sys/kernel/random/boot_id")
	return id
}

// change notes a setting, unless it is what it should be already.
func (d *Device) change(list []clockChange, file, value string) ([]clockChange, error) {
	old, err := d.fs.String(file)
	if err != nil {
		return list, err
	}
	if old == value {
		return list, nil
	}
	return append(list, clockChange{file, old, value}), nil
}

var errNoClocks = errors.New("this machine shows no clocks (no cpufreq)")

func (d *Device) policies() ([]string, error) {
	p := d.fs.Glob("sys/devices/system/cpu/cpufreq/policy[0-9]*")
	if len(p) == 0 {
		return nil, hint.Wrap(errNoClocks, "on a virtual machine only the host can set them: use clock: observe")
	}
	return p, nil
}

func (d *Device) governorChanges() ([]clockChange, error) {
	policies, err := d.policies()
	if err != nil {
		return nil, err
	}
	var list []clockChange
	for _, p := range policies {
		if have, err := d.fs.String(p + "/scaling_available_governors"); err == nil && !slices.Contains(strings.Fields(have), "performance") {
			return nil, fmt.Errorf("%s: no performance governor among %s", path.Base(p), have)
		}
		if list, err = d.change(list, p+"/scaling_governor", "performance"); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// lockChanges pins every policy and every computing devfreq device to the
// highest frequency that needs no turbo.
func (d *Device) lockChanges() ([]clockChange, error) {
	policies, err := d.policies()
	if err != nil {
		return nil, err
	}
	var list []clockChange
	for file, off := range map[string]string{"sys/devices/system/cpu/cpufreq/boost": "0", "sys/devices/system/cpu/intel_pstate/no_turbo": "1"} {
		if d.fs.Exists(file) {
			if list, err = d.change(list, file, off); err != nil {
				return nil, err
			}
		}
	}
	gov, err := d.governorChanges()
	if err != nil {
		return nil, err
	}
	list = append(list, gov...)
	for _, p := range policies {
		target, err := d.lockFrequency(p)
		if err != nil {
			return nil, err
		}
		if list, err = d.pin(list, p+"/scaling_min_freq", p+"/scaling_max_freq", target); err != nil {
			return nil, err
		}
	}
	for _, c := range d.clocks(new([]Absence)) {
		if len(c.CPUs) > 0 || c.LimitHz == 0 || !d.fs.Exists("sys/class/devfreq/"+c.Policy) {
			continue
		}
		dir := "sys/class/devfreq/" + c.Policy
		if list, err = d.pin(list, dir+"/min_freq", dir+"/max_freq", int64(c.LimitHz)); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// pin orders the two writes so that min ≤ max holds after each.
func (d *Device) pin(list []clockChange, minFile, maxFile string, target int64) ([]clockChange, error) {
	lo, err := d.fs.Int(minFile)
	if err != nil {
		return nil, err
	}
	order := []string{maxFile, minFile}
	if target < lo {
		order = []string{minFile, maxFile}
	}
	for _, f := range order {
		if list, err = d.change(list, f, strconv.FormatInt(target, 10)); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// lockFrequency is intel_pstate's base_frequency, else the highest of the table
// of frequencies (turbo entries are listed apart, in
// scaling_boost_frequencies), else the part's limit. kHz.
func (d *Device) lockFrequency(policy string) (int64, error) {
	if v, err := d.fs.Int(policy + "/base_frequency"); err == nil && v > 0 {
		return v, nil
	}
	if text, err := d.fs.String(policy + "/scaling_available_frequencies"); err == nil {
		var best int64
		for f := range strings.FieldsSeq(text) {
			if v, err := strconv.ParseInt(f, 10, 64); err == nil {
				best = max(best, v)
			}
		}
		if best > 0 {
			return best, nil
		}
	}
	return d.fs.Int(policy + "/cpuinfo_max_freq")
}
