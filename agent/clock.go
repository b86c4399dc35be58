package agent

import "time"

// Clock is the time in which a device lives. Real devices live in WallClock; the
// simulated device brings its own, so that a campaign of 40 minutes takes a few
// seconds.
type Clock interface {
	// Now is monotonic; only differences mean anything.
	Now() time.Time
	Sleep(d time.Duration)
}

// WallClock is the machine's own time.
type WallClock struct{}

// Now is time.Now.
func (WallClock) Now() time.Time { return time.Now() }

// Sleep is time.Sleep.
func (WallClock) Sleep(d time.Duration) { time.Sleep(d) }

// World is implemented by backends whose device is not this machine: the
// simulated one. The harness then reads time, preemptions and memory from it
// instead of from the operating system.
type World interface {
	Clock() Clock
	// Switches counts involuntary context switches of the measuring thread so far.
	Switches() int64
	// ResidentBytes is the memory the open sessions take.
	ResidentBytes() int64
}

// Foreteller is implemented by worlds that say before they let a fault happen. Their
// child need not hand over each report before it goes on: nothing else can end it.
type Foreteller interface {
	// BeforeFault calls f before each fault that may end the process.
	BeforeFault(f func())
}

// Powered is implemented by worlds whose device knows what it spends.
type Powered interface {
	// Joules is the energy spent so far, idle included; ok is false when it is not known.
	Joules() (spent float64, ok bool)
}
