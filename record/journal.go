package record

// The journal of a campaign: what the header is followed by. Records are a pure
// function of the header, the plan and the journal, so a killed campaign that is
// resumed ends with the records an uninterrupted one would have written.

// Line is one line after the header; exactly one field is set.
type Line struct {
	Group  *Group  `json:"group,omitempty"`
	Start  *Start  `json:"start,omitempty"`
	Open   *Open   `json:"open,omitempty"`
	Visit  *Visit  `json:"visit,omitempty"`
	Round  *Round  `json:"round,omitempty"`
	Fault  *Fault  `json:"fault,omitempty"`
	Check  *Check  `json:"check,omitempty"`
	Record *Record `json:"record,omitempty"`
	End    *End    `json:"end,omitempty"`
}

// Group lists the models that are open, and interleaved, together. A plan that
// fits in memory is one group; otherwise each group holds the drift reference as well.
type Group struct {
	Index  int      `json:"index"`
	Models []string `json:"models"`
	// AtS is the device time at which this group and those formed with it were, in the first
	// of them. OpenS and RoundS are the device seconds that opening its models and one whole
	// round of them were expected to take: the campaign's time is shared out by them.
	AtS    float64 `json:"at_s,omitempty"`
	OpenS  float64 `json:"open_s,omitempty"`
	RoundS float64 `json:"round_s,omitempty"`
}

// Start is written, and synced, before the child is asked to do anything that
// could take the machine down: what was in flight is known even then.
type Start struct {
	What   Step     `json:"what"`
	Group  int      `json:"group"`
	Round  int      `json:"round"`
	Models []string `json:"models"`
	Boot   string   `json:"boot,omitempty"` // kernel boot id: tells a killed agent from a machine that went down
}

// Open is the outcome of opening a model for the first time: load, first run and
// warm-up apart, and the repeat count that was found and is frozen from then on.
type Open struct {
	Model     string    `json:"model"`
	LoadUS    float64   `json:"load_us"`  // Backend.Open
	FirstUS   float64   `json:"first_us"` // the first Run
	WarmRuns  int       `json:"warm_runs"`
	WarmRule  WarmRule  `json:"warm_rule"`
	Repeat    int       `json:"repeat"`              // runs per sample
	RunUS     float64   `json:"run_us,omitempty"`    // the fastest run of the warm-up
	TookS     float64   `json:"took_s,omitempty"`    // device seconds of all of it, making the model's bytes included
	Execution Execution `json:"execution,omitempty"` // when it was proven
	// ExecutionWhy is the evidence.
	ExecutionWhy string       `json:"execution_why,omitempty"`
	Placement    string       `json:"placement,omitempty"` // provider: nodes, when it was proven
	RSSBytes     int64        `json:"rss_bytes,omitempty"` // growth of the child while opening
	WeightsB     int64        `json:"weights_bytes,omitempty"`
	PeakActB     int64        `json:"peak_activation_bytes,omitempty"`
	MemorySource MemorySource `json:"memory_source,omitempty"` // of the two figures
	LivenessB    int64        `json:"liveness_bytes,omitempty"`
	ModelBytes   int64        `json:"model_bytes,omitempty"`
}

// Visit is one visit to a model within a round: its raw samples, in order. All
// are kept; labels say which are left out of an estimate.
type Visit struct {
	Group     int       `json:"group"`
	Round     int       `json:"round"`
	Seq       int       `json:"seq"` // names the visit within the round: the model's index in the group, beyond those for the drift reference
	Model     string    `json:"model"`
	AtS       float64   `json:"at_s"` // device seconds since the campaign began
	US        []float64 `json:"us"`   // microseconds per run
	Preempted []int     `json:"preempted,omitempty"`
}

// Round closes a round. Void says why its visits are left out ("throttled"), ""
// for a good round.
type Round struct {
	Group          int      `json:"group"`
	Index          int      `json:"index"`
	Void           Validity `json:"void,omitempty"`
	Gate           Validity `json:"gate,omitempty"`         // thermal-timeout: it began hotter than the gate allows
	ReferenceRatio float64  `json:"anchor_ratio,omitempty"` // the drift reference in this round / in the best so far
	DeviceS        float64  `json:"device_s"`               // device seconds used so far
	State          *State   `json:"state,omitempty"`
}

// State holds the readings of the device between rounds; never taken inside a
// timed region. Absent sensors are absent fields.
type State struct {
	MHz       []float64 `json:"mhz,omitempty"`        // current clock of each policy
	MaxMHz    []float64 `json:"max_mhz,omitempty"`    // allowed maximum of each policy
	Celsius   *float64  `json:"celsius,omitempty"`    // the hottest zone
	Load      *float64  `json:"load,omitempty"`       // runnable tasks, 1-minute mean
	BatteryPc *float64  `json:"battery_pc,omitempty"` // state of charge, when the device runs on it
	Throttled string    `json:"throttled,omitempty"`  // the evidence, "" if none
}

// Fault is a failure that ends a model's part in the campaign, or one strike
// against it.
type Fault struct {
	Model    string   `json:"model"`
	Validity Validity `json:"validity"` // crashed:…, timeout, unsupported, fallback, numeric-mismatch
	Detail   string   `json:"detail,omitempty"`
	Final    bool     `json:"final,omitempty"` // the model is not tried again
}

// Check is the outcome of a second pass over a model: numbers against the fp32
// CPU reference, memory, energy. It is never taken while timing.
type Check struct {
	Model   string   `json:"model"`
	Numeric *Numeric `json:"numeric,omitempty"`
	Memory  *Memory  `json:"memory,omitempty"`
	Energy  *Energy  `json:"energy,omitempty"`
	Absent  string   `json:"absent,omitempty"` // why what was asked for could not be had
}

// Numeric compares a model's outputs with the reference's for the same inputs.
type Numeric struct {
	Reference string  `json:"reference"`
	MaxAbs    float64 `json:"max_abs"` // largest |output − reference|
	Scale     float64 `json:"scale"`   // root mean square of the reference
	RelRMS    float64 `json:"rel_rms"` // root mean square error / Scale
	Tolerance float64 `json:"tolerance"`
}

// End closes a campaign: every case has its record.
type End struct {
	Cases   int     `json:"cases"`
	Failed  int     `json:"failed"` // records without an estimate
	Flagged int     `json:"flagged"`
	DeviceS float64 `json:"device_s"`
	Visits  int     `json:"visits"`
}
