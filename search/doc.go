// Package search is the iso-cost driver: compensated mutations, anytime-valid
// selection and the (ε, τ)-local-optimality certificate. It never imports agent:
// a search runs anywhere a table can be read.
package search
