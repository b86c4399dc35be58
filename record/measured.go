package record

// Execution says in what precision the arithmetic of a model ran; "" is not known.
type Execution string

// Ways of execution.
const (
	Native   Execution = "native"   // in the precision asked for
	Emulated Execution = "emulated" // converted, and in another one
)

// MemorySource says who counted a model's bytes; "" where nobody did and weights are the
// model's constants.
type MemorySource string

// Sources of memory figures.
const (
	Allocator MemorySource = "allocator" // the runtime's own statistics: an arena's blocks, rounded up
	Requests  MemorySource = "requests"  // what the runtime asked for, block by block without an arena: what a prediction can give, too
	Heap      MemorySource = "malloc"    // growth of the process's heap while the model was opened and run
)

// WarmRule says what ended a warm-up.
type WarmRule string

// Rules that end a warm-up.
const (
	WarmConverged WarmRule = "converged" // the moving averages agree
	WarmCount     WarmRule = "count"     // the number of runs was reached
	WarmTime      WarmRule = "time"      // the longest time was reached
)

// Step holds what a campaign was about to do when it wrote a Start.
type Step string

// Steps of a campaign.
const (
	Opening   Step = "open"
	Measuring Step = "measure"
	Checking  Step = "check"
)
