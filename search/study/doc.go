// Package study compares searches: methods × seeds × anchors × tables in the same
// space, under the same evaluator and budget. It can be killed at any instant and
// goes on with the unit it was at.
package study
