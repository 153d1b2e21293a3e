const WIDEST = 30; // degrees without a galaxy from which a field has two ends

/**
 * An angle from 0 to 360 degrees.
 *
 * @param {number} degrees
 * @returns {number}
 */
export function fullCircle(degrees) {
    return ((degrees % 360) + 360) % 360;
}

/**
 * Right ascensions without the jump from 360 to 0 degrees: a field that crosses it is cut in its widest gap instead.
 *
 * @param {TypedArray} ra - (N,) degrees
 * @returns {TypedArray} (N,) degrees, negative ones west of the jump; the same array where the field does not cross it
 */
export function unwrapped(ra) {
    const sorted = Float64Array.from(ra).filter(Number.isFinite).map(fullCircle).sort();
    let cut = 0;
    let widest = Math.max(WIDEST, sorted[0] + 360 - sorted.at(-1));
    for (let i = 1; i < sorted.length; i++) {
        if (sorted[i] - sorted[i - 1] <= widest) continue;
        widest = sorted[i] - sorted[i - 1];
        cut = sorted[i];
    }
    return cut ? ra.map((degrees) => fullCircle(degrees) - (fullCircle(degrees) >= cut ? 360 : 0)) : ra;
}

/**
 * How many times as many pixels a degree of declination has as one of right ascension, so that a field has its shape.
 *
 * @param {number[]} range - (low, high) of declination, degrees
 * @returns {number} 1 / cos of their middle, at most 10
 */
export function skyRatio([low, high]) {
    return 1 / Math.max(0.1, Math.cos((((low + high) / 2) * Math.PI) / 180));
}
