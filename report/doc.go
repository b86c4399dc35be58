// Package report turns a table, an audit or a search into one self-contained
// HTML page, so that a person sees in ten seconds whether a table can be trusted
// and what a search found. Charts are package plot's, the page is package page's;
// here is only what is shown and why.
package report
