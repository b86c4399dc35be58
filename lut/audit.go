package lut

// Audit is the judgement of a table by networks its fit never saw.
type Audit struct {
	Raw    Errors `json:"raw"`    // of plain sums
	Errors Errors `json:"errors"` // of calibrated predictions
	// Eta bounds the (1−Delta) quantile of the relative error with confidence
	// 1−Beta: the K-th smallest of N errors, the smallest K with
	// P(Bin(N, 1−Delta) ≤ K−1) ≥ 1−Beta. It is absent, and Missing says how many
	// networks are lacking, when N is too small for that.
	Delta   float64  `json:"delta"`
	Beta    float64  `json:"beta"`
	K       int      `json:"k"`
	Eta     *float64 `json:"eta,omitempty"`
	Missing int      `json:"missing"`
	// Gamma is the margin to add to Eta for what sampling cannot see.
	Gamma float64 `json:"gamma"`
	// Median is the median relative error.
	Median float64 `json:"median"`
	// NoiseFloor says how well the truth predicts itself, absent when the networks
	// were measured only once.
	NoiseFloor *NoiseFloor `json:"noise_floor,omitempty"`
	Pair       PairError   `json:"pair"`
	Band       BandRank    `json:"band"`
	Sweep      Sweep       `json:"sweep"`
	// Feasible says how often a predicted deviation within Tau is a measured one
	// within Tau, before calibration and after.
	Feasible []Feasible `json:"feasible"`
	Corners  []Corner   `json:"corners"`
	Interval Coverage   `json:"interval"`
	Networks []Network  `json:"networks"` // sorted by case
}

// NoiseFloor scores the measured truth against itself: the relative half-width
// of its 95 % interval and the spread between rounds.
type NoiseFloor struct {
	N          int     `json:"n"`
	MedianHalf float64 `json:"median_half"`   // median over networks of (hi−lo)/2 / value
	BetweenRMS float64 `json:"between_rms"`   // RMS over networks of the between-round sd / value; 0 when unknown
	MaxHalf    float64 `json:"max_half"`      // largest of the half-widths
	Reference  float64 `json:"anchor_spread"` // largest |ratio − 1| of the drift reference; 0 when unknown
}

// PairError is |log(predicted ratio) − log(measured ratio)| over neighbour pairs
// (networks adjacent in measured cost).
type PairError struct {
	N      int     `json:"n"`
	Median float64 `json:"median"`
	P95    float64 `json:"p95"`
	Max    float64 `json:"max"`
}

// BandRank is the rank correlation inside iso-cost bands: groups of networks
// whose measured cost lies within a factor of (1+Tau)/(1−Tau).
type BandRank struct {
	Tau      float64 `json:"tau"`
	Bands    int     `json:"bands"` // with at least 4 networks
	N        int     `json:"n"`     // networks in them
	Spearman float64 `json:"spearman"`
	Kendall  float64 `json:"kendall"`
	// Over all networks, where rank mostly says size.
	SpearmanAll float64 `json:"spearman_all"`
	KendallAll  float64 `json:"kendall_all"`
}

// Sweep reports whether measured cost rises along each axis line of the cells.
type Sweep struct {
	Lines       int     `json:"lines"`
	Steps       int     `json:"steps"`
	Reversed    int     `json:"reversed"`    // steps whose raw cost falls
	Significant int     `json:"significant"` // of them larger than noise, p < 0.01
	Worst       float64 `json:"worst"`       // largest relative fall
}

// Feasible counts pairs of networks inside the predicted band of ±Tau and how
// many of them are inside the measured band.
type Feasible struct {
	Tau    float64 `json:"tau"`
	Pairs  int     `json:"pairs"`  // within ±Tau by the calibrated prediction
	Inside float64 `json:"inside"` // share measured within ±Tau
	// RawPairs and RawInside are the same by the plain sum.
	RawPairs  int     `json:"raw_pairs"`
	RawInside float64 `json:"raw_inside"`
}

// Corner is the error over networks that use an operator kind in a precision and
// a width bin.
type Corner struct {
	Kind      string    `json:"kind"`
	Precision Precision `json:"precision"`
	Width     string    `json:"width"` // narrow, middle, wide: thirds of the kind's channels
	N         int       `json:"n"`
	Bias      float64   `json:"bias"`
	Max       float64   `json:"max"`
}

// Coverage says how often the predicted interval held the measured value.
type Coverage struct {
	N      int     `json:"n"`
	Inside float64 `json:"inside"`
}

// Network is one audited network.
type Network struct {
	Case      string  `json:"case"`
	Name      string  `json:"name,omitempty"`
	Kernels   int     `json:"kernels"`
	Measured  float64 `json:"measured"`
	Sum       float64 `json:"sum"`       // of its operators, uncalibrated
	Predicted float64 `json:"predicted"` // calibrated
	Lo        float64 `json:"lo"`
	Hi        float64 `json:"hi"`
}
