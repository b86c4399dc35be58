package agent

import (
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// request is what the campaign asks of the child; exactly one field is set. Each
// request is answered by reports and ends with one whose Done is true.
type request struct {
	Hello   *helloRequest   `json:"hello,omitempty"`
	Open    *openRequest    `json:"open,omitempty"`
	Warm    *warmRequest    `json:"warm,omitempty"`
	Measure *measureRequest `json:"measure,omitempty"`
	Check   *checkRequest   `json:"check,omitempty"`
	Close   *closeRequest   `json:"close,omitempty"`
	Idle    *idleRequest    `json:"idle,omitempty"`
	Loop    *loopRequest    `json:"loop,omitempty"`
	Memory  *memoryRequest  `json:"memory,omitempty"`
}

// helloRequest names the runtime and the rules. It is answered by Info.
type helloRequest struct {
	Backend  BackendSpec `json:"backend"`
	Protocol string      `json:"protocol"` // canonical text
	ElapsedS float64     `json:"elapsed_s"`
}

type openRequest struct {
	Models []openModel `json:"models"`
}

// openModel opens one model. Repeat > 0 is the frozen repeat count of an earlier
// opening: it is not sought again.
type openModel struct {
	Model  benchmarks.Model `json:"model"`
	Name   string           `json:"name,omitempty"`
	Repeat int              `json:"repeat,omitempty"`
	// Prove asks for placement before the session is opened.
	Prove bool `json:"prove,omitempty"`
	// Precision, when set, asks whether the arithmetic really runs in it.
	Precision lut.Precision `json:"precision,omitempty"`
}

// warmRequest warms the device up on a model; see Warmup.
type warmRequest struct {
	Model string `json:"model"`
}

type measureRequest struct {
	Visits []visitRequest `json:"visits"`
}

type visitRequest struct {
	Seq     int    `json:"seq"`
	Model   string `json:"model"`
	Samples int    `json:"samples"`
}

// checkRequest compares a model's outputs with the fp32 CPU reference.
type checkRequest struct {
	Model     benchmarks.Model `json:"model"`
	Reference lut.Precision    `json:"reference,omitempty"` // "": the same model on the cpu provider
	Tolerance float64          `json:"tolerance"`
}

type closeRequest struct {
	Models []string `json:"models"` // nil: all
}

// idleRequest sleeps in the device's time: the thermal gate's wait.
type idleRequest struct {
	Seconds float64 `json:"seconds"`
}

// loopRequest runs a model again and again, for an energy window; its Done says how
// many Runs.
type loopRequest struct {
	Model   string  `json:"model"`
	Seconds float64 `json:"seconds"`
}

// memoryRequest counts a model's memory, in a child that times nothing. It is
// answered by Counted.
type memoryRequest struct {
	Model benchmarks.Model `json:"model"`
	Name  string           `json:"name,omitempty"`
}

// report is what the child says. Model names what it is about.
type report struct {
	Begin   bool            `json:"begin,omitempty"` // work on Model starts now
	Info    *Info           `json:"info,omitempty"`
	Opened  *record.Open    `json:"opened,omitempty"`
	Visit   *visitReport    `json:"visit,omitempty"`
	Numeric *record.Numeric `json:"numeric,omitempty"`
	Counted *record.Memory  `json:"counted,omitempty"`
	// Failed is a failure of this model that the child survived.
	Failed *failReport `json:"failed,omitempty"`
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
	// Joules is what a simulated device has spent since the child began.
	Joules *float64 `json:"joules,omitempty"`
}

type visitReport struct {
	Seq       int       `json:"seq"`
	AtS       float64   `json:"at_s"`
	US        []float64 `json:"us"`
	Preempted []int     `json:"preempted,omitempty"`
}

type failReport struct {
	Validity string `json:"validity"`
	Detail   string `json:"detail"`
}

// BackendSpec says how to make and drive a backend; it crosses to the child.
type BackendSpec struct {
	Name            string            `json:"name"` // ort, tflite, tensorflow, sim
	Provider        string            `json:"provider"`
	ProviderOptions map[string]string `json:"provider_options,omitempty"`
	// Config is what the constructor needs: library paths, plugin providers, the
	// simulated device's file. Its meaning is the backend's own.
	Config map[string]string `json:"config,omitempty"`
	// PlanDir is the folder to which the plan's model files are relative.
	PlanDir string `json:"plan_dir,omitempty"`
	// Inputs are files that override synthesised inputs: name → .npy path.
	Inputs map[string]string `json:"inputs,omitempty"`
}
