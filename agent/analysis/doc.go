// Package analysis turns the visits of a campaign into costs with intervals: drift
// correction, estimators, stopping, and what a cost's context adds to its doubt. It is
// pure statistics: it knows no device, no child and no file, and two calls on the same
// journal give the same bits.
package analysis
