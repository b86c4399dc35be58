package reference

// What tests of the catalogue's graphs see of this package.
var (
	NearTies = nearTies
	OtherWay = otherWay
	Relative = relative
)
