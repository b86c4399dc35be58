package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/evidence"
)

// printCertificate prints what was found, one fact per line.
func printCertificate(w io.Writer, c *search.Certificate) {
	printArch(w, c, "x0", c.Anchor)
	if e := c.Exploration; e != nil {
		explored(w, c.Anchor.Arch, e)
	}
	printArch(w, c, "final", c.Final)
	if c.Gain != nil {
		fmt.Fprintf(w, "gain         %+.4g [%+.4g, %+.4g] on %d fresh seeds each\n", c.Gain.Gain, c.Gain.Lo, c.Gain.Hi, c.Gain.N)
		fmt.Fprintf(w, "             (the search's own samples say %+.4g)\n", c.Gain.Naive)
	}
	retired := 0
	for _, n := range c.Neighbours {
		if n.Retired {
			retired++
		}
	}
	fmt.Fprintf(w, "neighbours   %d feasible, %d retired; %d infeasible\n", len(c.Neighbours), retired, len(c.Infeasible))
	if c.Drawn != nil {
		fmt.Fprintf(w, "band         %d networks drawn, %d of them to compare\n", c.Drawn.Drawn, len(c.Drawn.Archs))
	}
	printNoise(w, c)
	fmt.Fprintf(w, "samples      %d over %d architectures, %d failed; lower bound %s,\n", c.Samples, c.Archs, c.Failures, opt(c.LowerBound, "%.4g"))
	if c.Cost != nil {
		fmt.Fprintf(w, "             cost %.4g full-fidelity samples\n", *c.Cost)
	}
	fmt.Fprintf(w, "             samples / lower bound %s\n", opt(c.Ratio, "%.3g"))
	fmt.Fprintf(w, "ε̂            %s (ε %g, τ %g, δ %g)\n", opt(c.Claim.EpsilonHat, "%.4g"), c.Header.Settings.Epsilon, c.Header.Settings.Tau, c.Header.Settings.Delta)
	for i, b := range c.TrueBands {
		if b.Enforced {
			fmt.Fprintf(w, "true band    %s: ±%.3g %% enforced at η %.3g\n", b.Table, 100*c.Header.TauOf(i), b.Eta)
			continue
		}
		fmt.Fprintf(w, "true band    %s: +%.3g/−%.3g %% at η %.3g;\n", b.Table, 100*b.Up, 100*b.Down, b.Eta)
		fmt.Fprintf(w, "             published τ′ %.3g %% (%s)\n", 100*b.Published, holds(b.PublishedHolds))
	}
	for _, d := range c.Measured {
		fmt.Fprintf(w, "devices      %s: %d measured, %d of them refused as out of the band,\n", d.Table, len(d.Archs), d.Refused)
		fmt.Fprintf(w, "             predictions off by at most %.3g %%\n", 100*d.Eta)
	}
	if f := c.Fidelity; f != nil {
		fmt.Fprintf(w, "fidelity     of %d pairs in the band %d are ordered wrongly by the proxy,\n", f.Pairs, f.Wrong)
		fmt.Fprintf(w, "             Spearman %s on %d architectures\n", opt(f.Spearman, "%.3g"), f.Archs)
	}
	for _, a := range c.Alarms {
		fmt.Fprintf(w, "alarm        %s\n", wrap(a, 13))
	}
	if !c.Claim.Reached && c.Claim.More > 0 {
		fmt.Fprintf(w, "still needed about %d samples for %d neighbours\n", c.Claim.More, c.Claim.Unretired)
	}
	// The full key is in the certificate; for people the final is named.
	fmt.Fprintf(w, "claim        %s\n", wrap(strings.ReplaceAll(c.Claim.Text, c.Final.Arch, "the final"), 13))
}

// printArch prints one architecture: what it changes, its utility, its cost predicted and measured.
func printArch(w io.Writer, c *search.Certificate, name string, a search.CertArch) {
	if diff := changes(c.Anchor.Arch, a.Arch); name != "x0" && len(diff) > 0 {
		fmt.Fprintf(w, "%-12s x0 with\n", name)
		for _, d := range diff {
			fmt.Fprintf(w, "             %s\n", d)
		}
	} else if name != "x0" {
		fmt.Fprintf(w, "%-12s x0 itself\n", name)
	} else {
		fmt.Fprintf(w, "%-12s %s\n", name, wrap(grouped(a.Arch), 13))
	}
	if a.Median != nil {
		fmt.Fprintf(w, "  utility    median %.5g, mean %s (n=%d%s)\n", *a.Median, opt(a.Mean, "%.5g"), a.N, oddities(a))
	} else {
		fmt.Fprintf(w, "  utility    %s (n=%d%s)\n", opt(a.Mean, "%.5g"), a.N, oddities(a))
	}
	for i, t := range c.Header.Tables {
		fmt.Fprintf(w, "  predicted  %.5g %s [%.5g, %.5g], %+.2f %% of x0's (%s)\n", a.Costs[i].Value, t.Unit, a.Costs[i].Lo, a.Costs[i].Hi, 100*a.Dev[i], t.Name)
	}
	for _, d := range c.Measured {
		for _, m := range d.Archs {
			switch {
			case m.Arch != a.Arch:
			case m.Value <= 0:
				fmt.Fprintf(w, "  measured   failed on %s: %s\n", d.Table, strings.Join(m.Validity, ", "))
			case m.Deviation == nil:
				fmt.Fprintf(w, "  measured   %.5g %s [%.5g, %.5g] on %s: %s\n", m.Value, m.Unit, m.Lo, m.Hi, d.Table, strings.Join(m.Validity, ", "))
				fmt.Fprintln(w, "             (not compared: it or the anchor's measurement is not valid)")
			default:
				fmt.Fprintf(w, "  measured   %.5g %s [%.5g, %.5g], %s of x0's (%s), %s\n", m.Value, m.Unit, m.Lo, m.Hi,
					opt(scale(m.Deviation, 100), "%+.2f %%"), d.Table, inside(m.Inside))
				fmt.Fprintf(w, "             (%s; the prediction is off by %+.2f %%)\n", strings.Join(m.Validity, ", "), 100*m.Error)
			}
		}
	}
}

// printNoise prints what the bounds take for the noise.
func printNoise(w io.Writer, c *search.Certificate) {
	d := c.Sigma.Diff
	switch {
	case c.Sigma.Source == evidence.Unknown:
		fmt.Fprintln(w, "noise        not known: the search ended before it was calibrated")
	case c.Header.Settings.UtilityRange != nil:
		fmt.Fprintf(w, "noise        not needed: utilities from %g to %g\n", c.Header.Settings.UtilityRange[0], c.Header.Settings.UtilityRange[1])
	case c.Sigma.PerNetwork != "":
		fmt.Fprintf(w, "noise        each network's own, since %s\n", wrap(c.Sigma.PerNetwork, 13))
	case c.Header.Settings.Noise == search.NoisePerNetwork:
		fmt.Fprintln(w, "noise        each network's own, by its own samples")
	case c.Header.Settings.Robust != "":
		fmt.Fprintln(w, "noise        not needed: medians are compared")
	case c.Sigma.Source == "" && c.Header.Settings.Sigma != nil:
		fmt.Fprintf(w, "noise        σ %.4g (%s)\n", *c.Header.Settings.Sigma, evidence.Declared)
	case c.Sigma.Source == "":
		fmt.Fprintln(w, "noise        not known: the search ended while it explored")
	case c.Sigma.Source == evidence.FromPairs && c.Sigma.Nu == 0:
		fmt.Fprintln(w, "noise        not known: the search ended before there was a pair of samples")
	case c.Sigma.Source == evidence.FromPairs:
		fmt.Fprintf(w, "noise        σ about %.4g (%d pairs of samples); the bounds weigh every σ\n", c.Sigma.S, c.Sigma.Nu)
	case d == nil || !d.Used:
		fmt.Fprintf(w, "noise        σ %.4g (%s)\n", c.Sigma.Value, c.Sigma.Source)
	}
	if d != nil {
		use := "pairing does not pay: independent seeds"
		if d.Used {
			use = "paired at common seeds"
		}
		fmt.Fprintf(w, "differences  σ %.4g (%s), %.2g of the variance at independent seeds;\n", d.Value, d.Source, d.Ratio)
		fmt.Fprintf(w, "             %s\n", use)
	}
}

// oddities are an architecture's failed samples and outliers, as they are counted
// behind the number of its samples.
func oddities(a search.CertArch) string {
	text := ""
	if a.Failed > 0 {
		text += fmt.Sprintf(", %d failed", a.Failed)
	}
	if a.Outliers > 0 {
		text += fmt.Sprintf(", %d outliers", a.Outliers)
	}
	return text
}

// explored prints where the certifying search began.
func explored(w io.Writer, anchor string, e *search.CertExploration) {
	if e.Plan != nil {
		fmt.Fprintf(w, "explored     %d evaluations of %d architectures (%s); none of them is evidence\n", e.Evaluations, e.Archs, e.Plan.Method)
	}
	diff := changes(anchor, e.Start)
	if len(diff) == 0 {
		fmt.Fprintln(w, "start        x0 itself")
		return
	}
	fmt.Fprintln(w, "start        x0 with")
	for _, d := range diff {
		fmt.Fprintf(w, "             %s\n", d)
	}
}

func inside(b bool) string {
	if b {
		return "in the band"
	}
	return "OUT OF THE BAND"
}

func holds(b bool) string {
	if b {
		return "holds"
	}
	return "does not hold at this η"
}

func scale(v *float64, by float64) *float64 {
	if v == nil {
		return nil
	}
	x := *v * by
	return &x
}

func opt(v *float64, format string) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf(format, *v)
}
