const LARGEST_REST = 1e-20; // of the squares outside the diagonal, as a share of all, where a matrix counts as diagonal

/** A small Hermitian matrix, and its root. */
export class HermitianMatrix {
    /** @param {number} size - its number of rows; `re` and `im` hold its entries, row after row, and are to be set */
    constructor(size) {
        this.size = size;
        [this.re, this.im, this.vectorsRe, this.vectorsIm, this.rootRe, this.rootIm] = Array.from(
            { length: 6 }, () => new Float64Array(size * size));
    }

    /**
     * The Hermitian root, whose square is the matrix without its negative eigenvalues; the entries are changed.
     *
     * Reference: Jacobi's method, as in Golub & Van Loan 2013, Matrix Computations, section 8.5.
     *
     * @returns {{re: Float64Array, im: Float64Array}} (size, size), the same arrays in every call
     */
    root() {
        const { size, vectorsRe, vectorsIm, rootRe, rootIm } = this;
        vectorsRe.fill(0);
        vectorsIm.fill(0);
        rootRe.fill(0);
        rootIm.fill(0);
        for (let i = 0; i < size; i++) vectorsRe[i * size + i] = 1;
        for (let sweep = 0; sweep < 30 && !this.isDiagonal(); sweep++) {
            for (let p = 0; p < size; p++) for (let q = p + 1; q < size; q++) this.rotate(p, q);
        }
        for (let k = 0; k < size; k++) {
            const value = Math.sqrt(Math.max(0, this.re[k * size + k]));
            if (value === 0) continue;
            for (let i = 0; i < size; i++) {
                for (let j = 0; j < size; j++) {
                    const [a, b] = [vectorsRe[i * size + k], vectorsIm[i * size + k]];
                    const [c, d] = [vectorsRe[j * size + k], vectorsIm[j * size + k]];
                    rootRe[i * size + j] += value * (a * c + b * d);
                    rootIm[i * size + j] += value * (b * c - a * d);
                }
            }
        }
        return { re: rootRe, im: rootIm };
    }

    isDiagonal() {
        let [outside, all] = [0, 0];
        for (let i = 0; i < this.re.length; i++) {
            const square = this.re[i] ** 2 + this.im[i] ** 2;
            all += square;
            if (i % (this.size + 1) !== 0) outside += square;
        }
        return outside <= LARGEST_REST * all;
    }

    /** Turns columns and rows p and q so that their common entry becomes zero. */
    rotate(p, q) {
        const { size, re, im } = this;
        const [entryRe, entryIm] = [re[p * size + q], im[p * size + q]];
        const length = Math.hypot(entryRe, entryIm);
        if (length === 0) return;
        const ratio = (re[q * size + q] - re[p * size + p]) / (2 * length);
        const tangent = (ratio < 0 ? -1 : 1) / (Math.abs(ratio) + Math.hypot(ratio, 1));
        const cosine = 1 / Math.hypot(tangent, 1);
        const sine = tangent * cosine;
        const [phaseRe, phaseIm] = [entryRe / length, -entryIm / length]; // which makes the entry real
        mix(re, im, size, p, q, size, cosine, sine, phaseRe, phaseIm);
        mix(re, im, size, p * size, q * size, 1, cosine, sine, phaseRe, -phaseIm);
        mix(this.vectorsRe, this.vectorsIm, size, p, q, size, cosine, sine, phaseRe, phaseIm);
    }
}

/** Columns or rows that begin at p and q, of entries a step apart: p and the phase times q, turned by an angle. */
function mix(re, im, size, p, q, step, cosine, sine, phaseRe, phaseIm) {
    for (let k = 0; k < size; k++, p += step, q += step) {
        const [a, b] = [re[p], im[p]];
        const c = phaseRe * re[q] - phaseIm * im[q];
        const d = phaseRe * im[q] + phaseIm * re[q];
        re[p] = cosine * a - sine * c;
        im[p] = cosine * b - sine * d;
        re[q] = sine * a + cosine * c;
        im[q] = sine * b + cosine * d;
    }
}
