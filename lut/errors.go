package lut

import (
	"errors"
	"fmt"
)

// What a query can fail with; test with errors.Is.
var (
	// ErrUnknownOp: the table has no family for the operator.
	ErrUnknownOp = errors.New("unknown operator")
	// ErrOutOfRange: the operator lies outside the measured points.
	ErrOutOfRange = errors.New("outside the measured range")
)

// UnknownOpError names the operator a table does not know.
type UnknownOpError struct {
	Key  string
	Near string // a family of the same kind, "" when there is none
}

func (e *UnknownOpError) Error() string {
	s := fmt.Sprintf("%v %s", ErrUnknownOp, e.Key)
	if e.Near != "" {
		s += ", the nearest family is " + e.Near
	}
	return s
}

// Is makes errors.Is(err, ErrUnknownOp) true.
func (e *UnknownOpError) Is(target error) bool { return target == ErrUnknownOp }

// Hint says how to cure it.
func (e *UnknownOpError) Hint() string {
	return "measure it: put the key into a plan (costgen predict --emit-plan, agent plan) and compile the records in"
}

// OutOfRangeError names the operator, the axis and the range the table can answer.
type OutOfRangeError struct {
	Key    string
	Axis   string
	Value  int
	Lo, Hi int  // smallest and largest measured value on that axis
	Hole   bool // inside [Lo, Hi], but no measured neighbours bracket it
}

func (e *OutOfRangeError) Error() string {
	if e.Hole {
		return fmt.Sprintf("%s is %v: no measured neighbours bracket %s=%d (measured from %d to %d)",
			e.Key, ErrOutOfRange, e.Axis, e.Value, e.Lo, e.Hi)
	}
	return fmt.Sprintf("%s is %v: %s=%d, measured from %d to %d", e.Key, ErrOutOfRange, e.Axis, e.Value, e.Lo, e.Hi)
}

// Is makes errors.Is(err, ErrOutOfRange) true.
func (e *OutOfRangeError) Is(target error) bool { return target == ErrOutOfRange }

// Hint says how to cure it.
func (e *OutOfRangeError) Hint() string {
	return "measure this key or its neighbours and compile again, or ask for extrapolation explicitly"
}
