package campaign_test

import (
	"context"
	"math"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/record"
)

func TestCampaignRecoversTheTruth(t *testing.T) {
	d := simDevice(t, "noise: {jitter: 0.01}\npreempt: {per_s: 5, us: 3000}\n")
	p := planOf(someOps(8)...)
	for _, estimator := range []agent.Estimator{agent.EstimatorMedian, agent.EstimatorQuantile, agent.EstimatorMin} {
		t.Run(string(estimator), func(t *testing.T) {
			d := d
			if estimator != agent.EstimatorMedian { // interference only adds
				d = simDevice(t, "noise: {interference: 0.02}\nbursts: {share: 0.2, length_s: 0.05, slowdown: 1.5}\n")
			}
			c := newCampaign(t, p, d, func(q *agent.Protocol) {
				q.Estimator, q.Stop.MinRounds = estimator, 20
			})
			out, err := c.Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if len(out.Records) != len(p.Cases) || out.End.Failed != 0 {
				t.Fatalf("%d records, %d failed", len(out.Records), out.End.Failed)
			}
			for i, r := range out.Records {
				want := truth(t, d, p, p.Cases[i])
				if r.EstimateUS == nil {
					t.Fatalf("%s: no estimate: %v", r.Case, r.Validity)
				}
				// The interference of a sample of n repeats is a mean: it does not vanish.
				tol := 0.01
				if estimator != agent.EstimatorMedian {
					tol = 0.025
				}
				if e := math.Abs(*r.EstimateUS/want - 1); e > tol {
					t.Errorf("%s: %.3f µs, the truth is %.3f (off by %.2f %%) %v", r.Name, *r.EstimateUS, want, e*100, r.Validity)
				}
				if r.Kind == "cell" && (r.IsolatedUS == nil || *r.IsolatedUS <= *r.EstimateUS) {
					t.Errorf("%s: isolated %v is not above marginal %v", r.Name, r.IsolatedUS, *r.EstimateUS)
				}
			}
			files, err := record.Read(c.Path)
			if err != nil {
				t.Fatal(err)
			}
			if files[0].End == nil || len(files[0].Records) != len(p.Cases) {
				t.Errorf("the file holds %d records, end %v", len(files[0].Records), files[0].End)
			}
		})
	}
}
