/**
 * The latent space of a run: codes of all galaxies, what is near, and walks.
 *
 * Distances between codes are Euclidean. All galaxies are looked at in every search, which takes milliseconds for
 * 300,000 of them, and needs no index that would have to be kept up to date.
 */
export class LatentSpace {
    /**
     * @param {Float32Array} codes - (N, dim) codes of the galaxies, row after row
     * @param {number} dim - number of latent dimensions
     * @param {Float32Array|null} condition - (N, conditionDim), one-hot classes and then numbers, NaN where unknown
     * @param {number} conditionDim - number of columns of the condition, 0 without one
     * @param {number} far - distance between codes beyond which a code is far from any real galaxy
     * @param {{classes: number, spherical: boolean}} options - how many columns of the condition are classes; whether
     *   walks follow great circles, as codes do that a KL term keeps near a sphere, or straight lines
     */
    constructor(codes, dim, condition, conditionDim, far, { classes = 0, spherical = true } = {}) {
        this.codes = codes;
        this.dim = dim;
        this.count = codes.length / dim;
        this.condition = condition;
        this.conditionDim = condition ? conditionDim : 0;
        this.far = far;
        this.classes = classes;
        this.spherical = spherical;
        this.typical = this.conditionDim ? this.typicalCondition() : null;
    }

    /** The code of a galaxy, Float32Array (dim,), a copy. */
    code(galaxy) {
        return this.codes.slice(galaxy * this.dim, (galaxy + 1) * this.dim);
    }

    /** The condition of a galaxy, Float32Array (K,), with typical values where it is unknown; null without one. */
    conditionOf(galaxy) {
        if (!this.conditionDim) return null;
        const start = galaxy * this.conditionDim;
        return this.filled(this.condition.slice(start, start + this.conditionDim));
    }

    /** Whether the condition of a galaxy is known in full; true where there is none. */
    knows(galaxy) {
        const start = galaxy * this.conditionDim;
        return !this.conditionDim || !this.condition.subarray(start, start + this.conditionDim).some(Number.isNaN);
    }

    /**
     * The galaxies whose codes are nearest to a code.
     *
     * @param {ArrayLike<number>} code - (dim,)
     * @param {number} k - how many
     * @param {number|null} except - a galaxy that is left out
     * @returns {{galaxy: number, distance: number}[]} nearest first, at most k
     */
    nearest(code, k, except = null) {
        const { codes, dim, count } = this;
        const wanted = Float64Array.from(code);
        const half = dim >> 1;
        const best = new Smallest(k);
        for (let galaxy = 0, place = 0; galaxy < count; galaxy++, place += dim) {
            let square = 0;
            for (let i = 0; i < half; i++) {
                const difference = codes[place + i] - wanted[i];
                square += difference * difference;
            }
            if (square >= best.limit) continue;
            for (let i = half; i < dim; i++) {
                const difference = codes[place + i] - wanted[i];
                square += difference * difference;
            }
            if (square < best.limit && galaxy !== except) best.add(galaxy, square);
        }
        return best.result();
    }

    /**
     * How far a code is from the nearest real one.
     *
     * @param {ArrayLike<number>} code - (dim,)
     * @returns {{galaxy: number, distance: number, far: boolean}|null} null without any galaxy
     */
    closest(code) {
        const [nearest] = this.nearest(code, 1);
        return nearest ? { ...nearest, far: nearest.distance > this.far } : null;
    }

    /**
     * The code of a place of the plane: the mean of those of the galaxies around it, by the squares of their inverse
     * distances; on a galaxy, its own code.
     *
     * Numbers of the condition are means in the same way, a class is that of the nearest galaxy.
     *
     * @param {number} x, y - the place, in units of the plane
     * @param {ArrayLike<number>} xs, ys - (N,) places of the galaxies; where one is not finite, a galaxy is not found
     * @param {number} k - how many galaxies
     * @param {number[]} scale - by which factors distances along x and y are multiplied, such as pixels per unit
     * @returns {{code: Float32Array, condition: Float32Array|null, neighbours: {galaxy: number, distance: number}[]}|null}
     *   `neighbours` in the plane, nearest first; null if no galaxy has a place
     */
    at(x, y, xs, ys, k = 8, scale = [1, 1]) {
        const [scaleX, scaleY] = scale;
        const best = new Smallest(k);
        for (let galaxy = 0; galaxy < this.count; galaxy++) {
            const dx = (xs[galaxy] - x) * scaleX;
            const dy = (ys[galaxy] - y) * scaleY;
            const square = dx * dx + dy * dy;
            if (square < best.limit) best.add(galaxy, square); // which NaN is not
        }
        const neighbours = best.result();
        if (!neighbours.length) return null;
        const weights =
            neighbours[0].distance > 0
                ? neighbours.map((one) => (neighbours[0].distance / one.distance) ** 2)
                : neighbours.map((one, rank) => (rank === 0 ? 1 : 0));
        const code = new Float32Array(this.dim).map((_, i) =>
            weightedMean(neighbours.map((one) => this.codes[one.galaxy * this.dim + i]), weights));
        const condition = this.conditionOf(neighbours[0].galaxy);
        for (let i = this.classes; i < this.conditionDim; i++) {
            const values = neighbours.map((one) => this.condition[one.galaxy * this.conditionDim + i]);
            const mean = weightedMean(values, weights);
            if (!Number.isNaN(mean)) condition[i] = mean;
        }
        return { code, condition, neighbours };
    }

    /**
     * The principal directions of the galaxies around a code: what differs most among them.
     *
     * @param {ArrayLike<number>} code - (dim,)
     * @param {number} k - how many galaxies are around it
     * @param {number} count - how many directions at most
     * @returns {{vector: Float32Array, std: number}[]} unit vectors (dim,), whose largest component is positive, and
     *   the standard deviation of the galaxies along them, largest first; fewer where they differ in fewer directions
     */
    directions(code, k = 50, count = 3) {
        const { dim } = this;
        const around = this.nearest(code, k).map((one) => Float64Array.from(this.code(one.galaxy)));
        const size = around.length;
        if (size < 2) return [];
        for (let i = 0; i < dim; i++) {
            const mean = around.reduce((sum, one) => sum + one[i], 0) / size;
            for (const one of around) one[i] -= mean;
        }
        // Products of galaxies, (size, size), have the eigenvalues of those of dimensions, which may be many more.
        const products = around.map((a) => Float64Array.from(around, (b) => dotProduct(a, b)));
        const { values, vectors } = eigenvectors(products);
        const order = [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, Math.min(count, dim));
        return order
            .filter((which) => values[which] > 1e-10 * values[order[0]])
            .map((which) => {
                const vector = new Float64Array(dim);
                around.forEach((one, row) => one.forEach((value, i) => (vector[i] += vectors[row][which] * value)));
                const largest = vector.reduce((a, b) => (Math.abs(b) > Math.abs(a) * (1 + 1e-9) ? b : a), 0);
                const length = Math.sqrt(dotProduct(vector, vector)) * Math.sign(largest);
                return {
                    vector: Float32Array.from(vector, (value) => value / length),
                    std: Math.sqrt(values[which] / (size - 1)),
                };
            });
    }

    /**
     * A place on the way from one galaxy to another, as `galvae traverse from=... to=...` goes it.
     *
     * @param {number} a, b - the galaxies
     * @param {number} t - the share of the way, 0 to 1
     * @returns {{code: Float32Array, condition: Float32Array|null}} numbers of the condition change linearly, classes
     *   in the middle
     */
    between(a, b, t) {
        const [start, end] = [this.code(a), this.code(b)];
        const condition = this.conditionOf(t < 0.5 ? a : b);
        if (condition) {
            const [first, last] = [this.conditionOf(a), this.conditionOf(b)];
            for (let i = this.classes; i < condition.length; i++) condition[i] = (1 - t) * first[i] + t * last[i];
        }
        return { code: this.spherical ? alongCircle(start, end, t) : alongLine(start, end, t), condition };
    }

    /** A condition with typical values in place of unknown ones. */
    filled(condition) {
        const unlabelled = condition.subarray(0, this.classes).some(Number.isNaN);
        const unknown = (value, i) => (i < this.classes ? unlabelled : Number.isNaN(value));
        return condition.map((value, i) => (unknown(value, i) ? this.typical[i] : value));
    }

    /** Means of the known conditions, Float32Array (K,); for classes the most frequent one. */
    typicalCondition() {
        const dim = this.conditionDim;
        const sums = new Float64Array(dim);
        const counts = new Float64Array(dim);
        this.condition.forEach((value, place) => {
            if (Number.isNaN(value)) return;
            sums[place % dim] += value;
            counts[place % dim] += 1;
        });
        const classes = sums.subarray(0, this.classes);
        const frequent = classes.indexOf(classes.reduce((a, b) => Math.max(a, b), -Infinity));
        return Float32Array.from(sums, (sum, i) =>
            i < this.classes ? Number(i === frequent) : sum / Math.max(counts[i], 1));
    }
}

/** The k smallest of many numbers, with what they belong to. */
class Smallest {
    constructor(k) {
        this.k = k;
        this.limit = k > 0 ? Infinity : -Infinity; // only what is below it can be among them
        this.squares = [];
        this.galaxies = [];
    }

    /** Takes a squared distance below the limit; among equal ones, the first is nearest. */
    add(galaxy, square) {
        let place = this.squares.length;
        while (place > 0 && this.squares[place - 1] > square) place--;
        this.squares.splice(place, 0, square);
        this.galaxies.splice(place, 0, galaxy);
        if (this.squares.length > this.k) {
            this.squares.pop();
            this.galaxies.pop();
        }
        if (this.squares.length === this.k) this.limit = this.squares[this.k - 1];
    }

    result() {
        return this.galaxies.map((galaxy, rank) => ({ galaxy, distance: Math.sqrt(this.squares[rank]) }));
    }
}

/** The mean of the numbers that are known, NaN if none is. */
function weightedMean(values, weights) {
    let sum = 0;
    let total = 0;
    values.forEach((value, i) => {
        if (Number.isNaN(value)) return;
        sum += weights[i] * value;
        total += weights[i];
    });
    return sum / total;
}

function dotProduct(a, b) {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
}

function alongLine(start, end, t) {
    return start.map((value, i) => (1 - t) * value + t * end[i]);
}

/** A place of the great circle between two codes, whose length changes linearly, as `galvae.latent.walks.slerp`. */
function alongCircle(start, end, t) {
    const lengths = [start, end].map((code) => Math.sqrt(dotProduct(code, code)));
    const cosine = dotProduct(start, end) / (lengths[0] * lengths[1]);
    const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
    if (!(Math.sin(angle) >= 1e-4)) return alongLine(start, end, t); // or a code is zero, and has no direction
    const length = ((1 - t) * lengths[0] + t * lengths[1]) / Math.sin(angle);
    const [first, last] = [Math.sin((1 - t) * angle) / lengths[0], Math.sin(t * angle) / lengths[1]];
    return start.map((value, i) => length * (first * value + last * end[i]));
}

/**
 * Eigenvalues and eigenvectors of a symmetric matrix by Jacobi's rotations; the matrix is changed.
 *
 * @param {Float64Array[]} matrix - n rows of n numbers
 * @returns {{values: number[], vectors: Float64Array[]}} in no order; vector j is column j of `vectors`
 */
function eigenvectors(matrix) {
    const size = matrix.length;
    const vectors = matrix.map((_, i) => Float64Array.from(matrix, (__, j) => Number(i === j)));
    const total = matrix.reduce((sum, row) => sum + dotProduct(row, row), 0);
    for (let sweep = 0; sweep < 30; sweep++) {
        let outside = 0;
        for (let p = 0; p < size; p++) for (let q = 0; q < p; q++) outside += matrix[p][q] ** 2;
        if (outside <= 1e-24 * total) break;
        for (let p = 0; p < size; p++) for (let q = p + 1; q < size; q++) rotate(matrix, vectors, p, q);
    }
    return { values: matrix.map((row, i) => row[i]), vectors };
}

/** Rotates rows and columns p and q so that their common entry becomes zero. */
function rotate(matrix, vectors, p, q) {
    if (matrix[p][q] === 0) return;
    const ratio = (matrix[q][q] - matrix[p][p]) / (2 * matrix[p][q]);
    const tangent = (ratio < 0 ? -1 : 1) / (Math.abs(ratio) + Math.hypot(ratio, 1));
    const cosine = 1 / Math.hypot(tangent, 1);
    const sine = tangent * cosine;
    for (const rows of [matrix, vectors]) {
        for (const row of rows) {
            const [a, b] = [row[p], row[q]];
            row[p] = cosine * a - sine * b;
            row[q] = sine * a + cosine * b;
        }
    }
    const [first, second] = [matrix[p], matrix[q]];
    for (let i = 0; i < matrix.length; i++) {
        const [a, b] = [first[i], second[i]];
        first[i] = cosine * a - sine * b;
        second[i] = sine * a + cosine * b;
    }
}
