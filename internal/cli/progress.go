package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Progress shows how far long work has come and how long it will still take: a
// bar that is redrawn on a terminal, one line each 10 seconds elsewhere.
//
// The zero value is not usable; see NewProgress. Methods are not safe for
// concurrent use.
type Progress struct {
	w       io.Writer
	tty     bool
	color   bool
	width   int
	now     func() time.Time
	start   time.Time
	last    time.Time
	drawn   bool
	current State
}

// State is one moment of the work.
type State struct {
	Label  string        // what is under way: "measuring", "searching"
	Done   float64       // share done, 0 … 1
	Left   time.Duration // time left; negative: estimate it from Done
	Valid  int           // good so far
	Failed int           // failed so far
	Total  int           // of all, 0 when unknown
	Temp   float64       // degrees Celsius, 0 when unknown
	Note   string        // the current case
}

const (
	ttyEvery  = 100 * time.Millisecond // a redraw people see as continuous
	lineEvery = 10 * time.Second       // where output is not a terminal: one line per 10 s
)

// NewProgress writes to w, normally Env.Stderr. A file that is a terminal gets
// the bar; NO_COLOR (https://no-color.org) and TERM=dumb are honoured.
func NewProgress(w io.Writer, getenv func(string) string) *Progress {
	to := Behind(w)
	w = Raw(w) // its own control characters; what it is given is made visible
	p := &Progress{w: w, width: 79, now: time.Now}
	if f, ok := to.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 && getenv("TERM") != "dumb" {
			p.tty = true
			p.width = terminalWidth(f, p.width)
		}
	}
	p.color = p.tty && getenv("NO_COLOR") == ""
	p.start = p.now()
	return p
}

// Show reports the state; it draws only when the last drawing is old enough.
func (p *Progress) Show(s State) {
	s.Label, s.Note = Visible(s.Label), Visible(s.Note)
	p.current = s
	now := p.now()
	every := lineEvery
	if p.tty {
		every = ttyEvery
	}
	if p.drawn && now.Sub(p.last) < every {
		return
	}
	p.last, p.drawn = now, true
	p.draw(s, now)
}

// Done ends the display: the bar is drawn a last time and the line is closed.
func (p *Progress) Done() {
	if !p.drawn {
		return
	}
	if p.tty {
		p.draw(p.current, p.now())
		fmt.Fprintln(p.w)
	}
	p.drawn = false
}

func (p *Progress) draw(s State, now time.Time) {
	done := min(max(s.Done, 0), 1)
	left := s.Left
	if left < 0 && done > 0 {
		left = time.Duration(float64(now.Sub(p.start)) * (1 - done) / done)
	}
	text := fmt.Sprintf("%3.0f %%", done*100)
	if left >= 0 {
		text += fmt.Sprintf("  %s left", short(left))
	}
	if s.Valid+s.Failed+s.Total > 0 {
		text += fmt.Sprintf("  %d", s.Valid)
		if s.Total > 0 {
			text += fmt.Sprintf(" of %d", s.Total)
		}
		text += " ok"
		if s.Failed > 0 {
			text += p.paint("31", fmt.Sprintf(" %d failed", s.Failed))
		}
	}
	if s.Temp > 0 {
		text += fmt.Sprintf("  %.0f °C", s.Temp)
	}
	if !p.tty {
		line := []rune(fmt.Sprintf("%s %s  %s", s.Label, text, s.Note))
		fmt.Fprintf(p.w, "%s\n", string(line[:min(len(line), p.width)]))
		return
	}
	const cells = 12
	full := int(done*cells + 0.5)
	bar := p.paint("36", strings.Repeat("█", full)) + strings.Repeat("░", cells-full)
	line := []rune(s.Note)
	room := p.width - len([]rune(s.Label)) - cells - len([]rune(text)) - 6
	if room < len(line) {
		line = line[:max(room, 0)]
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s %s %s  %s", s.Label, bar, text, string(line))
}

func (p *Progress) paint(code, s string) string {
	if !p.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// short prints a duration as people say it: 42 s, 3 min 10 s, 2 h 05 min.
func short(d time.Duration) string {
	s := int(d.Seconds() + 0.5)
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d min %02d s", s/60, s%60)
	default:
		return fmt.Sprintf("%d h %02d min", s/3600, s/60%60)
	}
}
