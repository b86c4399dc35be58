// Package role names what a case of a plan, and its record, is for.
package role

// Role says what a case is for.
type Role string

// The roles.
const (
	Cell      Role = "cell"     // one table cell; its key is set
	Network   Role = "e2e"      // a whole network; its set says what it is for
	Reference Role = "anchor"   // the drift reference: measured again through the campaign
	Overhead  Role = "overhead" // the fixed cost of one inference
)

// Roles lists them.
var Roles = []Role{Cell, Network, Reference, Overhead}

// Set says what a whole network is for.
type Set string

// The sets; "" is neither.
const (
	Calibrate Set = "calibrate" // fits the calibration
	Audit     Set = "audit"     // judges the table; never fitted
)
