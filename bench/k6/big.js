// Stands in for big.js, by decimal.js, whose copy the bench puts beside it.
import Decimal from "./decimal.mjs";

Decimal.prototype.round = function (places = 0) {
	return this.toDecimalPlaces(places);
};

export default Decimal;
