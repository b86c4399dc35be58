// Package exchange reads tables that others published and writes ours for others:
// once-for-all YAML, the JSON of mobile-vision (FBNet) and of TF-NAS, CSV, a plain
// JSON list and a C header.
//
// An imported table carries its defects as warnings – reversed pairs, missing
// variance – and a cell that is not positive is refused by name: an extrapolated
// −0.5 ms is not a cost. Nothing is known of an import's protocol, and the table says so.
//
// Published kernels and networks of phones' GPUs (ImportPhones) are compiled as measurements
// of ours are: into tables with a model of the device.
package exchange
