// Package census holds what networks are made of: for each network of a census its
// kernels as keys, first to last, as a runtime runs them. It says what a device's table
// should know about, and in which order kernels follow one another. Default is the
// census of public networks that scripts/studies/census_networks.py makes; costgen census
// makes one of other networks.
package census
