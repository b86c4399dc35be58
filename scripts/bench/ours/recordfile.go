//go:build unix

package main

import (
	"bufio"
	"os"

	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/record"
)

// writeRecordFile writes a finished campaign of these records alone, and returns its size.
func writeRecordFile(path string, s costgen.Source) (int, error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	w, size := bufio.NewWriter(f), 0
	var chain record.Chain
	put := func(line []byte, err error) error {
		if err != nil {
			return err
		}
		line = append(chain.Seal(line), '\n')
		size += len(line)
		_, err = w.Write(line)
		return err
	}
	if err := put(record.EncodeHeader(s.Header)); err != nil {
		return 0, err
	}
	for i := range s.Records {
		r := s.Records[i].Record
		framed(&r)
		if err := put(record.EncodeLine(record.Line{Record: &r})); err != nil {
			return 0, err
		}
	}
	if err := put(record.EncodeLine(record.Line{End: &record.End{Cases: len(s.Records)}})); err != nil {
		return 0, err
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	return size, f.Close()
}

// framed gives a cell's record the evidence that a campaign writes: its cost is the difference
// of a frame with the operator and one without.
func framed(r *record.Record) {
	const without = 20
	v, bare := *r.EstimateUS, record.Interval{without - 0.1, without + 0.1}
	whole := record.Interval{v + without - 0.2, v + without + 0.2}
	spread := 0.01 * v
	r.MedianUS, r.MADUS, r.WithinUS, r.BetweenUS = &v, &spread, &spread, &spread
	r.Rounds, r.Stop = 30, record.StopTarget
	r.Terms = []record.TermSamples{
		{Coef: 1, Model: r.Case + "-with", EstimateUS: v + without, CI95US: whole, N: 30},
		{Coef: -1, Model: r.Case + "-without", EstimateUS: without, CI95US: bare, N: 30},
	}
}
