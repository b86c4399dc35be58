// Package agent says what the measuring run and a runtime have in common: the protocol,
// the interfaces a backend implements, models and tensors. The run itself is in
// agent/campaign, the process that measures in agent/child, the statistics in
// agent/analysis; devices are known through agent/device.
package agent
