package child

import (
	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// Request is a request of the campaign to the child; exactly one field is set. Each
// request is answered by reports and ends with one whose Done is true.
type Request struct {
	Hello   *Hello   `json:"hello,omitempty"`
	Open    *Open    `json:"open,omitempty"`
	Warm    *Warm    `json:"warm,omitempty"`
	Measure *Measure `json:"measure,omitempty"`
	Check   *Check   `json:"check,omitempty"`
	Close   *Close   `json:"close,omitempty"`
	Idle    *Idle    `json:"idle,omitempty"`
	Loop    *Loop    `json:"loop,omitempty"`
	Memory  *Memory  `json:"memory,omitempty"`
}

// Hello names the runtime and the rules. It is answered by Info.
type Hello struct {
	Backend  agent.BackendSpec `json:"backend"`
	Protocol string            `json:"protocol"` // canonical text
	ElapsedS float64           `json:"elapsed_s"`
}

// Open opens models, in order.
type Open struct {
	Models []OpenModel `json:"models"`
}

// OpenModel opens one model. Repeat > 0 is the frozen repeat count of an earlier
// opening: it is not sought again.
type OpenModel struct {
	Model  benchmarks.Model `json:"model"`
	Name   string           `json:"name,omitempty"`
	Repeat int              `json:"repeat,omitempty"`
	// Prove asks for placement before the session is opened.
	Prove bool `json:"prove,omitempty"`
	// Precision, when set, asks whether the arithmetic really runs in it.
	Precision lut.Precision `json:"precision,omitempty"`
}

// Warm warms the device up on a model; see agent.Warmup.
type Warm struct {
	Model string `json:"model"`
	// AtMostS, when set, ends it earlier than the protocol does: a campaign of a few seconds.
	AtMostS float64 `json:"at_most_s,omitempty"`
}

// Measure takes visits, in order.
type Measure struct {
	Visits []Visit `json:"visits"`
}

// Visit asks for so many samples of a model. Seq names the visit within its round.
type Visit struct {
	Seq     int    `json:"seq"`
	Model   string `json:"model"`
	Samples int    `json:"samples"`
}

// Check compares a model's outputs with those of its reference on the CPU.
type Check struct {
	Model     benchmarks.Model `json:"model"`
	Reference lut.Precision    `json:"reference,omitempty"` // "": the same model on the cpu provider
	Tolerance float64          `json:"tolerance"`
}

// Close closes sessions.
type Close struct {
	Models []string `json:"models"` // nil: all
}

// Idle sleeps in the device's time: the thermal gate's wait.
type Idle struct {
	Seconds float64 `json:"seconds"`
}

// Loop runs a model again and again, for an energy window; its Done says how many Runs.
type Loop struct {
	Model   string  `json:"model"`
	Seconds float64 `json:"seconds"`
}

// Memory counts a model's memory, in a child that times nothing. It is answered by
// Counted.
type Memory struct {
	Model benchmarks.Model `json:"model"`
	Name  string           `json:"name,omitempty"`
}

// Report is a message of the child about Model, or about itself.
type Report struct {
	Begin   bool            `json:"begin,omitempty"` // work on Model starts now
	Info    *agent.Info     `json:"info,omitempty"`
	Opened  *record.Open    `json:"opened,omitempty"`
	Visit   *Taken          `json:"visit,omitempty"`
	Numeric *record.Numeric `json:"numeric,omitempty"`
	Counted *record.Memory  `json:"counted,omitempty"`
	// Failed is a failure of this model that the child survived.
	Failed *Failure `json:"failed,omitempty"`
	// Fatal ends the campaign: the runtime cannot be used at all.
	Fatal string `json:"fatal,omitempty"`
	Hint  string `json:"hint,omitempty"`
	Done  bool   `json:"done,omitempty"`

	Model string  `json:"model,omitempty"`
	Next  string  `json:"next,omitempty"` // work on this model starts now, after what was said of Model
	Note  string  `json:"note,omitempty"` // which rule ended the warm-up
	T     float64 `json:"t"`              // device seconds since the child began
	RSS   int64   `json:"rss,omitempty"`  // bytes, now
	HWM   int64   `json:"hwm,omitempty"`  // bytes, highest so far
	Runs  int     `json:"runs,omitempty"` // answer to Loop
	// Joules is the energy that a simulated device has spent since the child began.
	Joules *float64 `json:"joules,omitempty"`
}

// Taken is a visit that was taken: its samples in microseconds per run, and the
// indexes of those during which the thread was switched out.
type Taken struct {
	Seq       int       `json:"seq"`
	AtS       float64   `json:"at_s"` // device seconds since the child began
	US        []float64 `json:"us"`
	Preempted []int     `json:"preempted,omitempty"`
}

// Failure says what happened to a model instead of an answer. It is an error when it
// ended the child.
type Failure struct {
	Model    string          `json:"model,omitempty"` // in flight, "" if none
	Validity record.Validity `json:"validity"`
	Detail   string          `json:"detail,omitempty"`
}

func (f *Failure) Error() string {
	s := "the measuring child failed: " + string(f.Validity)
	if f.Detail != "" {
		s += ": " + f.Detail
	}
	return s
}
