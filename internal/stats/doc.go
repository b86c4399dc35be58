// Package stats holds the few estimators the measurements and the tables rest
// on: robust centre and spread, distribution-free intervals, a seeded bootstrap.
// Inputs are never modified unless the name says so.
package stats
