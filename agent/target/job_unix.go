//go:build unix

package target

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
)

// The device's side of a job. A job lives in a folder of its own:
//
//	in/…       what the host pushed
//	rec.jsonl  the record file
//	talk       what the agent said on stderr
//	out        and on stdout
//	exit       how it ended, written last
//	pid        the agent's process, while it runs

// lockName is the device's lock in the folder for temporary files, which all
// users share: whoever holds it measures here.
const lockName = "isocost-device.lock"

// LockPath returns the device lock's path.
func LockPath() string { return filepath.Join(os.TempDir(), lockName) }

// owner holds what the lock's holder writes into it, for others to read.
type owner struct {
	Dir   string `json:"dir"`
	Since string `json:"since"`
	By    string `json:"by"` // who asked: user@host of the host
}

func (o owner) String() string {
	if o.By == "" {
		return "another job"
	}
	return fmt.Sprintf("%s since %s", o.By, o.Since)
}

// openLock opens the lock file without creating trouble in a shared folder:
// existing files are opened without O_CREAT (fs.protected_regular), links never.
func openLock(path string) (*os.File, error) {
	for range 3 {
		f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOFOLLOW, 0)
		if errors.Is(err, fs.ErrNotExist) {
			f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o666)
			if err == nil {
				f.Chmod(0o666) // whatever the umask: the lock is for all users
			}
			if errors.Is(err, fs.ErrExist) {
				continue
			}
		}
		return f, err
	}
	return nil, fmt.Errorf("open %s: it comes and goes", path)
}

// tryLock takes the device lock, exclusively (unix.LOCK_EX) or just to see
// whether it is free (unix.LOCK_SH); ok is false, and who holds it is told, when
// it is taken.
func tryLock(path string, how int) (f *os.File, who owner, ok bool, err error) {
	if f, err = openLock(path); err != nil {
		return nil, who, false, fmt.Errorf("device lock: %w", err)
	}
	err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		data, _ := io.ReadAll(io.LimitReader(f, 4096))
		json.Unmarshal(data, &who) // empty while the holder is writing: then nameless
		f.Close()
		return nil, who, false, nil
	}
	if err != nil {
		f.Close()
		return nil, who, false, fmt.Errorf("device lock %s: %w", path, err)
	}
	return f, who, true, nil
}

// StartJob starts argv detached in the job folder dir, or finds it running. The
// supervisor that waits for it is self (this program) with argv appended. The
// lock is taken here and handed down, so that there is no moment without it.
func StartJob(dir, lock, by string, self, argv []string) (JobState, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return JobState{}, err
	}
	f, who, ok, err := tryLock(lock, unix.LOCK_EX)
	// Someone may just be looking.
	for try := 0; err == nil && !ok && try < 5 && who.Dir != dir; try++ {
		time.Sleep(followPoll)
		f, who, ok, err = tryLock(lock, unix.LOCK_EX)
	}
	if err != nil {
		return JobState{}, err
	}
	if !ok {
		if who.Dir == dir {
			return JobState{State: StateRunning}, nil
		}
		return JobState{State: StateBusy, Owner: who.String()}, nil
	}
	defer f.Close() // the supervisor has its own descriptor of the same lock
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return JobState{}, err
	}
	for _, old := range []string{"exit", "talk", "pid"} {
		if err := os.Remove(filepath.Join(dir, old)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return JobState{}, err
		}
	}
	text, err := json.Marshal(owner{dir, time.Now().UTC().Format(time.RFC3339), by})
	if err != nil {
		return JobState{}, err
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt(text, 0)
	}
	if err != nil {
		return JobState{}, fmt.Errorf("device lock: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(dir, "supervisor"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return JobState{}, err
	}
	defer log.Close()
	cmd := exec.Command(self[0], append(self[1:len(self):len(self)], argv...)...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{f}
	// A session of its own: the link's hang-up does not reach it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return JobState{}, fmt.Errorf("start the job: %w", err)
	}
	return JobState{State: StateRunning}, cmd.Process.Release()
}

// lockFD says where StartJob hands the lock down.
const lockFD = 3

// Supervise runs argv in the job folder dir, waits for it, and writes how it
// ended. StartJob starts it.
func Supervise(dir string, argv []string) error {
	lock := os.NewFile(lockFD, "lock")
	talk, err := os.OpenFile(filepath.Join(dir, "talk"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer talk.Close()
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = out, talk
	// Libraries beside the agent need one another.
	lib := filepath.Dir(argv[0])
	if old := os.Getenv("LD_LIBRARY_PATH"); old != "" {
		lib += ":" + old
	}
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+lib)
	// The agent holds the lock as well: should the supervisor be killed, the
	// device is free only when the measuring has ended.
	cmd.ExtraFiles = []*os.File{lock}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	state := JobState{State: StateDone}
	if err := cmd.Start(); err != nil {
		state.Code = 127
		fmt.Fprintf(talk, "agent: error: %v\n", err)
	} else {
		if err := atomicfile.Write(filepath.Join(dir, "pid"), fmt.Appendf(nil, "%d\n", cmd.Process.Pid), 0o600); err != nil {
			return err
		}
		cmd.Wait()
		state.Code = cmd.ProcessState.ExitCode()
		if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			state.Code = 128 + int(ws.Signal())
		}
		os.Remove(filepath.Join(dir, "pid"))
	}
	data, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, "exit"), append(data, '\n'), 0o600)
}

// StateOf says how the job in dir is doing: done when it has ended, running when
// its lock is held, died when neither (a reboot, a kill), none when there is
// nothing. prefix > 0 asks for the SHA-256 of that many bytes of the records (of
// all, where there are fewer).
func StateOf(dir, lock string, prefix int64) (JobState, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return JobState{}, err
	}
	s := JobState{State: StateNone}
	// The lock first: a job that ends in between has written exit by then.
	f, who, free, err := tryLock(lock, unix.LOCK_SH)
	if err != nil {
		return s, err
	}
	if free {
		f.Close()
	}
	data, err := os.ReadFile(filepath.Join(dir, "exit"))
	switch {
	case err == nil:
		if err := strictjson.Decode(data, &s); err != nil {
			return s, hint.Wrap(strictjson.In(filepath.Join(dir, "exit"), err), "remove %s to start the job anew", dir)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return s, err
	case !free && who.Dir == dir:
		s.State = StateRunning
	case !free:
		s.State, s.Owner = StateBusy, who.String()
	default:
		if _, err := os.Stat(filepath.Join(dir, "supervisor")); err == nil {
			s.State = StateDied
		}
	}
	rec, err := os.Open(filepath.Join(dir, recordName))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	} else if err != nil {
		return s, err
	}
	defer rec.Close()
	st, err := rec.Stat()
	if err != nil {
		return s, err
	}
	s.Bytes = st.Size()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(rec, prefix)); err != nil {
		return s, err
	}
	s.Prefix = hex.EncodeToString(h.Sum(nil))
	return s, nil
}

// followPoll says how often Follow looks for new records; followPing how often it
// gives a sign of life.
const (
	followPoll = 100 * time.Millisecond
	followPing = 3 * time.Second
)

// Follow writes what the job in dir records and says, from the given offsets on,
// as messages to w, until the job has ended and all is told, or ctx or w ends.
func Follow(ctx context.Context, dir, lock string, recordAt, talkAt int64, w io.Writer) error {
	last := time.Now()
	for {
		// The state first: whatever was written before the end is then read after.
		s, err := StateOf(dir, lock, 0)
		if err != nil {
			return err
		}
		sent, err := sendLines(filepath.Join(dir, recordName), &recordAt, w, func(b []byte) message {
			return message{Record: b, RecordEnd: recordAt}
		}, true)
		if err != nil {
			return err
		}
		// At the end the last words need no newline.
		more, err := sendLines(filepath.Join(dir, "talk"), &talkAt, w, func(b []byte) message {
			return message{Talk: b, TalkEnd: talkAt}
		}, s.State == StateRunning)
		if err != nil {
			return err
		}
		if sent || more {
			last = time.Now()
			continue
		}
		if s.State != StateRunning {
			s.Prefix = ""
			return message{State: &s}.writeTo(w)
		}
		if time.Since(last) > followPing {
			if err := (message{}).writeTo(w); err != nil {
				return err
			}
			last = time.Now()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(followPoll):
		}
	}
}

// sendLines sends what a file has grown by, in chunks; with whole set only whole
// lines.
func sendLines(name string, at *int64, w io.Writer, wrap func([]byte) message, whole bool) (sent bool, err error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	defer f.Close()
	buf := make([]byte, chunkBytes)
	for {
		n, err := f.ReadAt(buf, *at)
		if err != nil && err != io.EOF {
			return sent, err
		}
		chunk := buf[:n]
		if whole {
			chunk = chunk[:bytes.LastIndexByte(chunk, '\n')+1]
			if len(chunk) == 0 && n == len(buf) {
				return sent, fmt.Errorf("%s: a line of more than %d bytes at offset %d", name, len(buf), *at)
			}
		}
		if len(chunk) == 0 {
			return sent, nil
		}
		*at += int64(len(chunk))
		if err := wrap(chunk).writeTo(w); err != nil {
			return sent, err
		}
		sent = true
	}
}

// StopJob asks the job in dir to stop, as Ctrl-C would, and kills it when it does
// not within the patience. It returns when the job has ended.
func StopJob(dir, lock string, patience time.Duration) (JobState, error) {
	deadline := time.Now().Add(patience)
	asked := false
	for {
		s, err := StateOf(dir, lock, 0)
		if err != nil || s.State != StateRunning {
			return s, err
		}
		if data, err := os.ReadFile(filepath.Join(dir, "pid")); err == nil {
			var pid int
			if _, err := fmt.Sscan(string(data), &pid); err == nil && pid > 1 {
				if !asked {
					syscall.Kill(pid, syscall.SIGINT)
					asked = true
				} else if time.Now().After(deadline) {
					syscall.Kill(-pid, syscall.SIGKILL)
				}
			}
		}
		if time.Since(deadline) > 5*time.Second {
			return s, fmt.Errorf("the job in %s does not end", dir)
		}
		time.Sleep(followPoll)
	}
}

// VerifyFiles compares the files of a pushed folder with its list of hashes.
func VerifyFiles(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, hashesName))
	if err != nil {
		return err
	}
	list, err := parseHashes(data)
	if err != nil {
		return err
	}
	for name, want := range list {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%s: %q cannot be a file of it", filepath.Join(dir, hashesName), name)
		}
		got, err := filehash.SHA256(context.Background(), filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s arrived damaged: SHA-256 %s, want %s", strings.TrimPrefix(name, "./"), got, want)
		}
	}
	return nil
}
