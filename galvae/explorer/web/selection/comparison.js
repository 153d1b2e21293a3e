/** Some galaxies compared with all: distributions of a column, and how different they are. */

/**
 * The finite values of a column, in ascending order.
 *
 * @param {TypedArray} values - of all galaxies
 * @param {Int32Array} galaxies - of which
 * @returns {TypedArray} of the same type
 */
export function finiteSorted(values, galaxies) {
    const chosen = new values.constructor(galaxies.length);
    let count = 0;
    for (let i = 0; i < galaxies.length; i++) {
        const value = values[galaxies[i]];
        if (Number.isFinite(value)) chosen[count++] = value;
    }
    return chosen.subarray(0, count).sort();
}

/**
 * The Kolmogorov-Smirnov distance of two samples: the largest difference of their cumulative distributions.
 *
 * @param {TypedArray} first, second - values in ascending order, none NaN
 * @returns {number} from 0 to 1; NaN if a sample is empty
 */
export function ksDistance(first, second) {
    if (!first.length || !second.length) return NaN;
    let largest = 0;
    let i = 0;
    let j = 0;
    while (i < first.length && j < second.length) {
        const value = Math.min(first[i], second[j]);
        while (first[i] === value) i++;
        while (second[j] === value) j++;
        largest = Math.max(largest, Math.abs(i / first.length - j / second.length));
    }
    return largest;
}

/**
 * How many galaxies each class has.
 *
 * @param {Int16Array} labels - of all galaxies, -1 where unlabelled
 * @param {number} classes - how many there are
 * @param {Int32Array} galaxies - of which
 * @returns {Int32Array} (classes,)
 */
export function classCounts(labels, classes, galaxies) {
    const counted = new Int32Array(classes);
    for (let i = 0; i < galaxies.length; i++) {
        const label = labels[galaxies[i]];
        if (label >= 0 && label < classes) counted[label]++;
    }
    return counted;
}

/**
 * The total variation distance of two distributions over classes: half the sum of the differences of their shares,
 * which is what the Kolmogorov-Smirnov distance would be at most, in any order of the classes.
 *
 * @param {ArrayLike<number>} first, second - counts
 * @returns {number} from 0 to 1; NaN if one has no galaxies
 */
export function classDistance(first, second) {
    const total = (counted) => counted.reduce((sum, count) => sum + count, 0);
    const [all, others] = [total(first), total(second)];
    if (!all || !others) return NaN;
    return first.reduce((sum, count, i) => sum + Math.abs(count / all - second[i] / others), 0) / 2;
}

/**
 * Galaxies at equal distances in a list.
 *
 * @param {Int32Array} galaxies
 * @param {number} most - how many at most
 * @returns {Int32Array}
 */
export function evenSample(galaxies, most) {
    if (galaxies.length <= most) return galaxies;
    return Int32Array.from({ length: most }, (_, i) => galaxies[Math.floor(((i + 0.5) * galaxies.length) / most)]);
}
