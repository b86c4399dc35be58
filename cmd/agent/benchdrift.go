package main

import (
	"fmt"
	"io"

	"github.com/isocost/isocost/agent/campaign"
)

// sayDrift says what a changed device means for the campaign that runs: for its records where
// they are kept, and for the times on screen where they are not.
func sayDrift(w io.Writer, n campaign.Notice, kept bool) {
	if n.Back {
		fmt.Fprintf(w, "agent: warning: the drift reference is back at %.2f of what it took at the start\n", n.Ratio)
		return
	}
	meaning, cure := "the times would be marked drift", "measure again later"
	if kept {
		meaning, cure = "the records of this campaign would be refused as drift", "interrupt and measure again later with another -o"
	}
	fmt.Fprintf(w, "agent: warning: the drift reference takes %.2f of what it took at the start: beyond %.2f or below %.2f, as it is now, %s\n", n.Ratio, n.Limit, 1/n.Limit, meaning)
	fmt.Fprintf(w, "agent: hint: stop other work on the device and let it cool: the campaign goes on, and the end counts; if it stays so, %s\n", cure)
}
