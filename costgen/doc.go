// Package costgen compiles measurements into an audited cost table.
//
//	records → clean → monotone → calibrate → audit → lut.Table
//
// Every stage is a pure function: the same records, in whatever order, give the
// same bytes, and every number names the cases it came from. The package knows no
// device and no clock; findings are warnings in the table, never log lines.
package costgen
