package device

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/isocost/isocost/internal/hint"
)

// StartPinned starts cmd so that it, and every thread any library in it ever
// creates, runs on the given cores: a new process inherits the mask of the
// thread that forks it, so the mask is set on this goroutine's thread around
// Start and taken back after. The set is not checked against what the kernel
// made of it; CheckPinned does that once the child has its threads.
func StartPinned(cmd *exec.Cmd, cores CoreSet) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("read the affinity: %w", err)
	}
	if err := setMask(0, cores); err != nil {
		return err
	}
	startErr := cmd.Start()
	if err := unix.SchedSetaffinity(0, &before); err != nil {
		return errors.Join(startErr, fmt.Errorf("restore the affinity: %w", err))
	}
	return startErr
}

// PinProcess pins every present thread of this process; threads created later
// inherit from the thread that creates them.
func PinProcess(cores CoreSet) error {
	// A thread may be born between the listing and the call: repeat until a pass
	// finds nothing new.
	done := map[int]bool{}
	for {
		tids, err := threads(os.Getpid())
		if err != nil {
			return err
		}
		fresh := false
		for _, tid := range tids {
			if done[tid] {
				continue
			}
			fresh, done[tid] = true, true
			if err := setMask(tid, cores); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
		if !fresh {
			return nil
		}
	}
}

func setMask(tid int, cores CoreSet) error {
	if len(cores) == 0 {
		return errors.New("set the affinity: the core set is empty")
	}
	var set unix.CPUSet
	for _, c := range cores {
		set.Set(c)
	}
	if err := unix.SchedSetaffinity(tid, &set); err != nil {
		return hint.Wrap(fmt.Errorf("set the affinity to CPUs %s: %w", cores, err),
			"these CPUs must be online and allowed to this process (taskset -p $$ shows what is)")
	}
	return nil
}

func threads(pid int) ([]int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil, err
	}
	var tids []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			tids = append(tids, n)
		}
	}
	return tids, nil
}

// ThreadMasks reads back which CPUs each thread of a process may use: thread
// number → set.
func ThreadMasks(pid int) (map[int]CoreSet, error) {
	tids, err := threads(pid)
	if err != nil {
		return nil, err
	}
	masks := map[int]CoreSet{}
	for _, tid := range tids {
		set, err := statusMask(filepath.Join("/proc", strconv.Itoa(pid), "task", strconv.Itoa(tid), "status"))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // the thread ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		masks[tid] = set
	}
	return masks, nil
}

func statusMask(name string) (CoreSet, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if v, ok := strings.CutPrefix(sc.Text(), "Cpus_allowed_list:"); ok {
			return ParseCoreList(v)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%s: no Cpus_allowed_list", name)
}

// CheckPinned reads back the mask of every thread of a process and returns an
// error that names the first thread that may run outside of cores.
func CheckPinned(pid int, cores CoreSet) error {
	masks, err := ThreadMasks(pid)
	if err != nil {
		return fmt.Errorf("read back the affinity of process %d: %w", pid, err)
	}
	if len(masks) == 0 {
		return fmt.Errorf("read back the affinity of process %d: it has no threads any more", pid)
	}
	for tid, m := range masks {
		for _, c := range m {
			if !cores.Contains(c) {
				return fmt.Errorf("thread %d of process %d may run on CPUs %s, outside of %s", tid, pid, m, cores)
			}
		}
	}
	return nil
}

// Allowed returns the CPUs this process may use: the cpuset of its container and
// any mask it was started with.
func Allowed() (CoreSet, error) { return statusMask("/proc/self/status") }
