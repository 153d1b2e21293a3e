/**
 * A quantile of sorted values, linear between neighbours as `numpy.quantile`.
 *
 * @param {ArrayLike<number>} sorted - values in ascending order
 * @param {number} share - from 0 to 1, 0.5 for the median
 * @returns {number} NaN without values
 */
export function quantile(sorted, share) {
    if (!sorted.length) return NaN;
    const place = share * (sorted.length - 1);
    const below = Math.floor(place);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

/**
 * Quantiles of the finite numbers among values.
 *
 * @param {TypedArray} values - (N,) in any order
 * @param {number[]} shares - from 0 to 1
 * @returns {number[]} a number for each share; NaN if no value is finite
 */
export function quantiles(values, shares) {
    const finite = Float64Array.from(values).filter(Number.isFinite).sort();
    return shares.map((share) => quantile(finite, share));
}
