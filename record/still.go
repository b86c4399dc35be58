package record

// Still adds up the time for which a campaign's program did not run: it was stopped, or the machine slept. Nothing
// was measured then, and it is none of the campaign's device time. The lines of a journal are given to it in order.
type Still struct {
	S     float64 // seconds
	last  *Visit
	opens map[string]*Open
}

// A visit stands still for what goes beyond leastStill seconds and beyond many times what its runs take: visits are
// milliseconds long, and no neighbour on the same machine slows one down so much.
const (
	leastStill = 5.0
	timesStill = 20
)

// Take takes a line of the journal into account.
func (s *Still) Take(l Line) {
	switch {
	case l.Open != nil:
		if s.opens == nil {
			s.opens = map[string]*Open{}
		}
		s.opens[l.Open.Model] = l.Open
	case l.Visit != nil:
		if v := s.last; v != nil && v.Group == l.Visit.Group && v.Round == l.Visit.Round {
			s.gap(v, l.Visit.AtS-v.AtS)
		}
		s.last = l.Visit
		return
	case l.Start != nil && l.Start.What == Measuring, l.Round != nil:
		return
	}
	s.last = nil // something else was done
}

// gap is the time from the beginning of a visit to that of the next.
func (s *Still) gap(v *Visit, took float64) {
	o := s.opens[v.Model]
	if o == nil {
		return
	}
	usual := o.RunUS / 1e6 * float64(o.Repeat*len(v.US)+1)
	if took > leastStill && took > timesStill*usual {
		s.S += took - usual
	}
}

// StillS is for how many seconds the campaign's program did not run.
func (f *File) StillS() float64 {
	var s Still
	for _, e := range f.Journal {
		s.Take(e.Line)
	}
	return s.S
}
