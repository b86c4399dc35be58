package child

import (
	"encoding/binary"
	"math"
)

// A visit's report as bytes: numbers that count as varints, text with its length before
// it, the rest as little-endian float64.

// appendVisit appends the payload of a report that holds a visit and no more than that.
func appendVisit(to []byte, r Report) []byte {
	v := r.Visit
	to = appendText(appendText(to, r.Model), r.Next)
	for _, n := range []int64{r.RSS, r.HWM, int64(v.Seq), int64(len(v.US)), int64(len(v.Preempted))} {
		to = binary.AppendVarint(to, n)
	}
	for _, i := range v.Preempted {
		to = binary.AppendVarint(to, int64(i))
	}
	to = appendFloat(appendFloat(to, r.T), v.AtS)
	for _, us := range v.US {
		to = appendFloat(to, us)
	}
	return to
}

func appendText(to []byte, s string) []byte {
	return append(binary.AppendVarint(to, int64(len(s))), s...)
}

func appendFloat(to []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(to, math.Float64bits(v))
}

// parseVisit reads what appendVisit wrote; ok is false for anything else.
func parseVisit(b []byte, r *Report) (ok bool) {
	ok = true
	number := func() int64 {
		n, size := binary.Varint(b)
		if size <= 0 {
			ok, size = false, 0
		}
		b = b[size:]
		return n
	}
	count := func(each int) int {
		n := number()
		if n < 0 || n > int64(len(b)/each) {
			ok, n = false, 0
		}
		return int(n)
	}
	text := func() string {
		n := count(1)
		s := string(b[:n])
		b = b[n:]
		return s
	}
	float := func() float64 {
		if len(b) < 8 {
			ok = false
			return 0
		}
		v := math.Float64frombits(binary.LittleEndian.Uint64(b))
		b = b[8:]
		return v
	}
	v := &Taken{}
	*r = Report{Visit: v, Model: text(), Next: text()}
	r.RSS, r.HWM, v.Seq = number(), number(), int(number())
	v.US = make([]float64, count(8))
	if n := count(1); n > 0 {
		v.Preempted = make([]int, n)
	}
	for i := range v.Preempted {
		v.Preempted[i] = int(number())
	}
	r.T, v.AtS = float(), float()
	for i := range v.US {
		v.US[i] = float()
	}
	return ok && len(b) == 0
}
