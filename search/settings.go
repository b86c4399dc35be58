package search

import (
	"errors"
	"fmt"
	"math"

	"github.com/isocost/isocost/search/anytime"
	"github.com/isocost/isocost/search/evidence"
	"github.com/isocost/isocost/search/explore"
)

// Settings define a search. Together with space, tables and evaluator they
// determine its result; they are the first line of its journal. Budget and
// workers are not among them: they may change between continuations.
type Settings struct {
	Tau     float64 `json:"tau"`     // band tolerance, fraction
	Epsilon float64 `json:"epsilon"` // utility tolerance, utility units; > 0
	Delta   float64 `json:"delta"`   // failure probability of the claim
	// Move is ε₀: an improvement is taken when its lower bound exceeds it. Below ε, so
	// that every comparison ends.
	Move float64 `json:"move"`
	// MoveScore is by how many standard errors an improvement has to exceed ε₀ to be
	// taken under ScheduleEpochs, where the claim does not rest on moves.
	MoveScore float64 `json:"move_score,omitempty"`
	Rho       float64 `json:"rho"` // of the mixtures
	// Sigma is the declared sub-Gaussian parameter of one sample; nil to calibrate
	// it before the search. 0 declares a deterministic evaluator.
	Sigma *float64 `json:"sigma,omitempty"`
	// SigmaDiff is the declared sub-Gaussian parameter of the difference of two
	// architectures at a common seed, for the paired selector; nil to calibrate it.
	SigmaDiff *float64 `json:"sigma_diff,omitempty"`
	// UtilityRange are the least and the largest value a utility can have: bounds then
	// assume no noise level (evidence.Bounded); nil for sub-Gaussian noise.
	UtilityRange *[2]float64 `json:"utility_range,omitempty"`
	// Noise is "" for NoiseShared, NoiseAuto or NoisePerNetwork.
	Noise Noise `json:"noise,omitempty"`
	// Robust is RobustMedian for a claim about median utilities; "" for expected ones.
	Robust Robust `json:"robust,omitempty"`
	// Validation says what the evaluator judges every sample by, the same for all, as in
	// “the 10,000 validation images”; "" where nothing is fixed or it is not known.
	Validation string `json:"validation,omitempty"`
	// Calibration: so many architectures, so many samples each; the upper bound
	// fails with probability SigmaBeta, which is taken out of Delta.
	SigmaArchs   int     `json:"sigma_archs,omitempty"`
	SigmaRepeats int     `json:"sigma_repeats,omitempty"`
	SigmaBeta    float64 `json:"sigma_beta,omitempty"`

	Selector Selector `json:"selector"`
	// Fidelities of the multi-fidelity selector, rising, the full one not among them.
	Fidelities []evidence.Fidelity `json:"fidelities,omitempty"`
	Scope      Scope               `json:"scope"`               // layer: sweep layer by layer; all: the whole neighbourhood at once
	Schedule   Schedule            `json:"schedule"`            // how δ is shared: comparisons or epochs
	Batch      int                 `json:"batch"`               // candidates sampled between two looks
	Published  bool                `json:"published,omitempty"` // the plain form as published

	// Neighbours says what counts as a neighbour: "" for NeighboursCanonical,
	// NeighboursAll or NeighboursExchange.
	Neighbours Neighbours `json:"neighbours,omitempty"`

	// PerDevice gives a layer a precision of its own on each table's device; choices
	// and widths stay common. The utility is the mean over the devices' variants.
	PerDevice bool `json:"per_device_precision,omitempty"`

	// Explore finds where the certifying search begins; nil for the anchor.
	Explore *explore.Plan `json:"explore,omitempty"`

	// BandShare is p of a claim that at most a share p of all networks of the band is
	// better than the final by more than epsilon; 0 for a claim about neighbours alone.
	BandShare float64 `json:"band_share,omitempty"`

	EnforceTrueBand bool `json:"enforce_true_band,omitempty"`
	IntervalBand    bool `json:"interval_band,omitempty"`

	// Fresh says how many fresh-seed samples of anchor and final the gain rests on.
	Fresh int `json:"fresh,omitempty"`
	// Pool says that the evaluator's samples are a finite pool drawn without
	// replacement: the claim is about its mean.
	Pool bool `json:"pool,omitempty"`

	Seed uint64 `json:"seed"`

	early int // the version of a journal that began before the present one; 0 for none
}

// rules are a header's settings with what the version of its journal means for them.
func (h *Header) rules() Settings {
	s := h.Settings
	if v := h.version(); v < len(journalFormats) {
		s.early = v
	}
	return s
}

// Noise says whose size of noise a bound is computed from.
type Noise string

// Noises.
const (
	// NoiseAuto is one for all networks, declared or weighed by the differences of samples
	// asked for together, until some network's samples contradict that: then each has its own.
	NoiseAuto       Noise = "auto"
	NoiseShared     Noise = "shared"      // one for all networks, declared or calibrated
	NoisePerNetwork Noise = "per-network" // each network's own, from the samples its bound rests on
)

// Robust names a utility that hardly depends on rare samples.
type Robust string

// RobustMedian is the median of an evaluator's samples.
const RobustMedian Robust = "median"

// Scope says how much of the neighbourhood a search looks at between two moves.
type Scope string

// Scopes.
const (
	ScopeLayer Scope = "layer"
	ScopeAll   Scope = "all"
)

// Schedule says how δ is shared.
type Schedule string

// Schedules.
const (
	// ScheduleComparisons gives the i-th distinct comparison δ/(i(i+1)).
	ScheduleComparisons Schedule = "comparisons"
	// ScheduleEpochs gives the k-th incumbent its share of δ whole, and rests its
	// certificate on what is sampled from then on (decision 0503).
	ScheduleEpochs Schedule = "epochs"
)

// A calibration has so many architectures at most and so many samples of each, where
// nothing else is said.
const sigmaArchs, sigmaRepeats = 64, 4

// DefaultSettings are the settings of the certifying selector.
func DefaultSettings() Settings {
	return Settings{
		Tau: 0.05, Epsilon: 0.005, Delta: 0.05, MoveScore: 1, Rho: anytime.DefaultRho,
		SigmaArchs: sigmaArchs, SigmaRepeats: sigmaRepeats,
		Selector: LUCB, Scope: ScopeAll, Schedule: ScheduleEpochs, Batch: 1,
	}
}

// Complete fills what follows from other settings (ε₀ = ε/10, β = δ/5 when σ is
// calibrated) and lists every problem.
func (s *Settings) Complete() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	in := func(name string, v, lo, hi float64) {
		if !(v > lo && v < hi) {
			bad("%s %g is not between %g and %g", name, v, lo, hi)
		}
	}
	if s.Noise == NoiseShared || s.Noise == NoiseAuto && !s.adapts() {
		s.Noise = ""
	}
	in("tau", s.Tau, 0, 1)
	in("delta", s.Delta, 0, 1)
	if !(s.Epsilon > 0) || math.IsInf(s.Epsilon, 0) {
		bad("epsilon %g is not positive: equal architectures could never be told apart", s.Epsilon)
	}
	if s.Move == 0 {
		s.Move = s.Epsilon / 10
	}
	if !(s.Move > 0 && s.Move < s.Epsilon) && s.Epsilon > 0 {
		bad("move %g is not between 0 and epsilon %g", s.Move, s.Epsilon)
	}
	if !(s.MoveScore >= 0 && s.MoveScore < 100) {
		bad("move score %g is not from 0 to 100", s.MoveScore)
	}
	in("rho", s.Rho, 0, 1e6)
	if s.Sigma != nil && !(*s.Sigma >= 0 && !math.IsInf(*s.Sigma, 0)) {
		bad("sigma %g is not a number from 0", *s.Sigma)
	}
	if s.SigmaDiff != nil {
		if !(*s.SigmaDiff >= 0) || math.IsInf(*s.SigmaDiff, 0) {
			bad("sigma-diff %g is not a number from 0", *s.SigmaDiff)
		}
		if s.Selector != Paired {
			bad("sigma-diff is for selector paired")
		}
	}
	problems = append(problems, s.checkFidelities(), s.checkExplore(), s.checkBandShare(), s.checkRange(), s.checkNoise())
	if s.Selector == Paired && s.Schedule != ScheduleEpochs {
		bad("selector paired needs schedule %s", ScheduleEpochs)
	}
	if !s.calibrates() {
		s.SigmaArchs, s.SigmaRepeats, s.SigmaBeta = 0, 0, 0
	} else {
		if s.SigmaArchs == 0 && s.SigmaRepeats == 0 {
			s.SigmaArchs, s.SigmaRepeats = sigmaArchs, sigmaRepeats
		}
		if s.SigmaBeta == 0 {
			s.SigmaBeta = s.Delta / 5
		}
		if s.SigmaArchs < 1 || s.SigmaRepeats < 2 {
			bad("sigma calibration needs at least 1 architecture and 2 samples each, not %d and %d", s.SigmaArchs, s.SigmaRepeats)
		}
		if !(s.SigmaBeta > 0 && s.SigmaBeta < s.Delta) {
			bad("sigma beta %g is not between 0 and delta %g", s.SigmaBeta, s.Delta)
		}
	}
	if s.Batch < 1 || s.Batch > 4096 {
		bad("batch %d is not from 1 to 4096", s.Batch)
	}
	if s.Neighbours == NeighboursCanonical {
		s.Neighbours = ""
	}
	if s.Neighbours != "" && s.Neighbours != NeighboursAll && s.Neighbours != NeighboursExchange {
		bad("neighbours %q are none of %s, %s and %s", s.Neighbours, NeighboursCanonical, NeighboursAll, NeighboursExchange)
	}
	if s.Scope != ScopeLayer && s.Scope != ScopeAll {
		bad("scope %q is neither %s nor %s", s.Scope, ScopeLayer, ScopeAll)
	}
	if s.Schedule != ScheduleComparisons && s.Schedule != ScheduleEpochs {
		bad("schedule %q is neither %s nor %s", s.Schedule, ScheduleComparisons, ScheduleEpochs)
	}
	if err := s.Selector.check(); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// adapts says whether bounds can begin with one size of noise and go on with each network's
// own: of independent samples without end that are not known to be exact.
func (s *Settings) adapts() bool {
	return s.Schedule == ScheduleEpochs && !s.Published && !s.Pool && s.UtilityRange == nil && s.Robust == "" &&
		s.Selector != Paired && s.Selector != MultiFidelity && (s.Sigma == nil || *s.Sigma > 0)
}

// calibrates says whether noise is estimated before the search.
func (s *Settings) calibrates() bool {
	if s.Selector == Paired {
		return s.SigmaDiff == nil
	}
	return s.Sigma == nil && s.UtilityRange == nil && s.Noise == "" && s.Robust == ""
}

// SelectionDelta is the part of δ left for the comparisons; of finite pools each of
// the martingales that may speak about a pair has an equal part.
func (s *Settings) SelectionDelta() float64 {
	if s.Pool {
		return (s.Delta - s.SigmaBeta) / evidence.PoolMartingales
	}
	return s.Delta - s.SigmaBeta
}
