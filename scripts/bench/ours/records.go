//go:build unix

package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// protocol is the text of the made-up campaign's protocol, hashed its SHA-256.
const protocol = "batch: 1\n"

var hashed = fmt.Sprintf("%x", sha256.Sum256([]byte(protocol)))

// header is that of a made-up device's campaign.
func header() record.Header {
	return record.Header{
		Format: record.Format, Agent: "made-up", Started: "2026-01-01T00:00:00Z", Plan: strings.Repeat("ef", 32), Protocol: lut.Protocol{SHA256: hashed, YAML: protocol},
		Device:  lut.Device{ID: "made-up", Model: "made-up", CPU: "none", OS: "none", Arch: "none", Cores: "0"},
		Runtime: lut.Runtime{Library: lut.Library{Backend: "sim", Version: "1", SHA256: strings.Repeat("cd", 32), Provider: "cpu"}, Threads: 1},
	}
}

// records are those of the cells, each so many times: a made-up device whose costs grow along
// every axis, with 1 % noise.
func records(cells []lut.Op, times int) costgen.Source {
	rng := rand.New(rand.NewPCG(1, 1))
	s := costgen.Source{Name: "made-up", Header: header(), Records: make([]costgen.Line, 0, len(cells)*times)}
	for i, op := range cells {
		cost := 1.0
		for _, c := range op.At {
			cost *= math.Sqrt(float64(c.Value))
		}
		for t := range times {
			v := cost * (1 + 0.01*rng.NormFloat64())
			ci := record.Interval{v * 0.98, v * 1.02}
			id := strconv.Itoa(i) + "-" + strconv.Itoa(t)
			s.Records = append(s.Records, costgen.Line{Line: len(s.Records) + 2, Record: record.Record{
				Kind: role.Cell, Case: id, Key: &op, Validity: []record.Validity{record.OK}, EstimateUS: &v, CI95US: &ci, N: 60}})
		}
	}
	return s
}

// grid is n cells of a made-up kind in families of at most so many, on a cube of channels and
// sides.
func grid(n, family int) []lut.Op {
	side := int(math.Ceil(math.Cbrt(float64(family))))
	var out []lut.Op
	for f := 0; len(out) < n; f++ {
		attrs := map[string]string{"k": strconv.Itoa(f), "s": "1"}
		for i := range min(family, n-len(out)) {
			h := 7 * (1 + i/(side*side))
			out = append(out, lut.NewOp("made_up", lut.FP32, attrs,
				map[string]int{"cin": 8 * (1 + i%side), "cout": 8 * (1 + i/side%side), "h": h, "w": h}))
		}
	}
	return out
}

// compiled compiles a source and says what that took.
func compiled(s costgen.Source) (answer, error) {
	before := resident()
	forget()
	var table *lut.Table
	began := time.Now()
	t, err := spent(func() (err error) {
		table, err = costgen.Compile(context.Background(), []costgen.Source{s}, costgen.Options{})
		return err
	})
	if err != nil {
		return nil, err
	}
	wall, held := time.Since(began).Seconds(), peak()-before
	return answer{"s": t, "wall_s": wall, "bytes": held, "records": len(s.Records), "knots": knots(table)}, nil
}

func knots(t *lut.Table) int {
	n := 0
	for _, f := range t.File().Families {
		n += len(f.Knots)
	}
	return n
}

// compileRecords compiles so many records, five of each cell, 250 cells a family.
func compileRecords(args []string) (answer, error) {
	n, err := number(args, 0)
	if err != nil {
		return nil, err
	}
	return compiled(records(grid(n/5, 250), 5))
}

// compileCells compiles so many cells, a record each, in families of so many.
func compileCells(args []string) (answer, error) {
	n, err := number(args, 0)
	if err != nil {
		return nil, err
	}
	family, err := number(args, 1)
	if err != nil {
		return nil, err
	}
	return compiled(records(grid(n, family), 1))
}

// writeRecords writes a file of so many records, five of each cell, as agent bench would.
func writeRecords(args []string) (answer, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("want how many records and the file, not %q", args)
	}
	n, err := number(args, 0)
	if err != nil {
		return nil, err
	}
	size, err := writeRecordFile(args[1], records(grid(n/5, 250), 5))
	return answer{"bytes": size}, err
}
