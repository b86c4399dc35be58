// Package deviceplan chooses what to measure of a device, so that networks of the common
// kinds can be priced from it: kernels of a census, as marginal costs, and sums – chains of
// kernels in the order networks have them, each one measurement. Without a model of the
// device it covers the census (Cover); with one, whoever has it says what each candidate
// would teach (Request.Gains). It knows neither device nor table.
package deviceplan
