const fourierPlans = new Map(); // of each length: the order of bit reversal, and the roots of unity

/** The smallest power of two that is not below a number. */
export function powerOfTwo(number) {
    return 2 ** Math.ceil(Math.log2(Math.max(1, number)));
}

/**
 * Fourier transform of a complex image, in place: sums over pixels of value exp(-2 pi i (f_y y / H + f_x x / W)).
 *
 * Reference: Cooley & Tukey 1965, Math. Comput. 19, 297.
 *
 * @param {Float64Array} re, im - (H, W) real and imaginary parts, row after row; swapped, they are transformed with
 *   the other sign of the exponent, which is H W times the inverse
 * @param {number} height, width - powers of two
 */
export function transform2(re, im, height, width) {
    for (let row = 0; row < height; row++) {
        transform1(re.subarray(row * width, (row + 1) * width), im.subarray(row * width, (row + 1) * width));
    }
    const columnRe = new Float64Array(height);
    const columnIm = new Float64Array(height);
    for (let column = 0; column < width; column++) {
        for (let y = 0, place = column; y < height; y++, place += width) {
            columnRe[y] = re[place];
            columnIm[y] = im[place];
        }
        transform1(columnRe, columnIm);
        for (let y = 0, place = column; y < height; y++, place += width) {
            re[place] = columnRe[y];
            im[place] = columnIm[y];
        }
    }
}

/** Fourier transform of one row, in place, see `transform2`. */
function transform1(re, im) {
    const size = re.length;
    const { reversed, cosines, sines } = fourierPlan(size);
    for (let i = 0; i < size; i++) {
        const j = reversed[i];
        if (j <= i) continue;
        const [a, b] = [re[i], im[i]];
        re[i] = re[j];
        im[i] = im[j];
        re[j] = a;
        im[j] = b;
    }
    for (let half = 1; half < size; half *= 2) {
        const step = size / (2 * half);
        for (let start = 0; start < size; start += 2 * half) {
            for (let i = 0; i < half; i++) {
                const [low, high] = [start + i, start + i + half];
                const [c, s] = [cosines[i * step], sines[i * step]];
                const a = re[high] * c + im[high] * s;
                const b = im[high] * c - re[high] * s;
                re[high] = re[low] - a;
                im[high] = im[low] - b;
                re[low] += a;
                im[low] += b;
            }
        }
    }
}

function fourierPlan(size) {
    if (!fourierPlans.has(size)) {
        const reversed = new Uint32Array(size);
        for (let i = 1; i < size; i++) reversed[i] = (reversed[i >> 1] >> 1) | (i & 1 ? size >> 1 : 0);
        const angles = Float64Array.from({ length: size / 2 }, (_, i) => (2 * Math.PI * i) / size);
        fourierPlans.set(size, { reversed, cosines: angles.map(Math.cos), sines: angles.map(Math.sin) });
    }
    return fourierPlans.get(size);
}
