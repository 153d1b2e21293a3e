import { powerOfTwo, transform2 } from "./fourier.js";
import { HermitianMatrix } from "./hermitian.js";
import { quantile } from "../quantiles.js";
import { generator } from "./random.js";

const SKY_SHARE = 0.1; // of the pixels that are below an image's sky level
const BANDWIDTH = 0.3; // of the levels among which amplitudes are drawn, in their standard deviations

/**
 * Noise of real images, as `galvae.noise.residual_noise.ResidualNoise` makes it: that of the sky, and that on the
 * galaxy, which depends on the decoded brightness.
 *
 * Reference: Dietrich & Newsam 1997, SIAM J. Sci. Comput. 18, 1088 (fields of given covariances on a periodic frame).
 */
export class Noise {
    /**
     * @param {Object} spec - the manifest's `noise`
     * @param {Object} arrays - typed arrays by their full names, which begin with "noise."
     */
    constructor(spec, arrays) {
        this.spec = spec;
        this.arrays = Object.fromEntries(
            Object.keys(arrays).map((name) => [name.replace("noise.", ""), arrays[name]]));
        this.roots = new Map(); // by field and frame
    }

    /**
     * Adds noise to a decoded image.
     *
     * The fields of the last seed are kept, so that another image with the same noise costs little.
     *
     * @param {Float32Array} image - (H, W, C) intensities in [0, 1]
     * @param {number} height, width, bands - H, W and C
     * @param {number} seed - a whole number, which gives the same fields for every image
     * @returns {Float32Array} (H, W, C) intensities in [0, 1]
     */
    add(image, height, width, bands, seed) {
        const { brightness, excess } = this.arrays;
        const key = [seed, height, width].join(" ");
        if (this.drawn?.key !== key) this.drawn = { key, ...this.fields(height, width, bands, generator(seed)) };
        const { shift, sky, galaxy } = this.drawn;
        const above = aboveSky(image, bands);
        const [ofSky, ofGalaxy] = this.amplitudes(image, above, bands, shift);
        return image.map((value, place) => {
            const strength = interpolated(above[place], brightness, excess, bands, place % bands);
            return Math.min(1, Math.max(0, value + ofSky * sky[place] + ofGalaxy * strength * galaxy[place]));
        });
    }

    /** Random numbers of one image: shift (2,) of its levels, and the fields sky and galaxy, both (H, W, C). */
    fields(height, width, bands, random) {
        const { quantiles } = this.arrays;
        const [first, last] = this.spec.scores;
        const intervals = quantiles.length / bands - 1;
        const scores = Float64Array.from(quantiles, (_, i) =>
            first + ((last - first) * Math.floor(i / bands)) / intervals);
        const shift = [random.normal(), random.normal()];
        const [sky, field] = this.gaussianFields(height, width, bands, random);
        const [even, odd] = this.spec.parity;
        const galaxy = field.map((value, place) => {
            const opposite = field[field.length - bands - place + 2 * (place % bands)];
            return ((even + odd) * value + (even - odd) * opposite) / 2;
        });
        const ofSky = (value, place) => interpolated(value, scores, quantiles, bands, place % bands);
        return { shift, sky: sky.map(ofSky), galaxy };
    }

    /** Amplitudes of the sky's noise and of the galaxy's field, those of one of the images that are like this one. */
    amplitudes(image, above, bands, shift) {
        const { levels, amplitudes } = this.arrays;
        const mean = above.reduce((sum, value) => sum + value, 0) / above.length;
        const brightness = Float64Array.from({ length: image.length / bands }, (_, pixel) =>
            image.subarray(pixel * bands, (pixel + 1) * bands).reduce((sum, value) => sum + value, 0) / bands);
        const own = [quantile(brightness.sort(), SKY_SHARE), Math.log(Math.max(mean, 1e-4))];
        const count = levels.length / 2;
        const distances = new Float64Array(count);
        for (const column of [0, 1]) {
            const ofImages = levels.filter((_, i) => i % 2 === column);
            const centre = ofImages.reduce((sum, value) => sum + value, 0) / count;
            const std = Math.sqrt(ofImages.reduce((sum, value) => sum + (value - centre) ** 2, 0) / count) + 1e-12;
            const wanted = own[column] + BANDWIDTH * std * shift[column];
            ofImages.forEach((value, i) => (distances[i] += ((value - wanted) / std) ** 2));
        }
        const nearest = distances.indexOf(distances.reduce((a, b) => Math.min(a, b)));
        return amplitudes.subarray(2 * nearest, 2 * nearest + 2);
    }

    /** Independent Gaussian fields with the covariances of the sky and of the galaxy, both (H, W, C). */
    gaussianFields(height, width, bands, random) {
        const frame = [height, width].map((length, axis) => powerOfTwo(length + this.spec.reach[axis]));
        const size = frame[0] * frame[1];
        const [skyRoots, galaxyRoots] = ["sky", "galaxy"].map((name) => this.rootsOf(name, bands, frame));
        const white = Array.from({ length: bands }, () => whiteNoise(frame, random));
        const fields = [new Float32Array(height * width * bands), new Float32Array(height * width * bands)];
        for (let band = 0; band < bands; band++) {
            // The spectrum of sky + i galaxy, so that one transform gives both.
            const [re, im] = [new Float64Array(size), new Float64Array(size)];
            for (let other = 0; other < bands; other++) {
                const { evenRe, evenIm, oddRe, oddIm } = white[other];
                const [sky, galaxy] = [skyRoots[band][other], galaxyRoots[band][other]];
                const [a, b, c, d] = [sky.re, sky.im, galaxy.re, galaxy.im];
                for (let f = 0; f < size; f++) {
                    re[f] += a[f] * evenRe[f] - b[f] * evenIm[f] - c[f] * oddIm[f] - d[f] * oddRe[f];
                    im[f] += a[f] * evenIm[f] + b[f] * evenRe[f] + c[f] * oddRe[f] - d[f] * oddIm[f];
                }
            }
            transform2(im, re, ...frame); // swapped: the inverse
            [re, im].forEach((values, which) => {
                for (let y = 0; y < height; y++) {
                    for (let x = 0; x < width; x++) {
                        fields[which][(y * width + x) * bands + band] = values[y * frame[1] + x];
                    }
                }
            });
        }
        return fields;
    }

    /** Roots of the spectrum of the covariances `name` on a frame, see `spectrumRoots`. */
    rootsOf(name, bands, frame) {
        const key = [name, ...frame].join(" ");
        if (!this.roots.has(key)) {
            this.roots.set(key, spectrumRoots(this.arrays[name], this.spec.reach, bands, frame));
        }
        return this.roots.get(key);
    }
}

/**
 * Transforms of two independent real fields of white noise, of unit variance after the inverse transform.
 *
 * They are the parts of complex white noise that are equal and opposite to their conjugates at opposite frequencies.
 */
function whiteNoise([height, width], random) {
    const size = height * width;
    const factor = 0.5 / Math.sqrt(size);
    const [re, im] = [new Float64Array(size), new Float64Array(size)];
    for (let f = 0; f < size; f++) {
        re[f] = factor * random.normal();
        im[f] = factor * random.normal();
    }
    const [evenRe, evenIm, oddRe, oddIm] = Array.from({ length: 4 }, () => new Float64Array(size));
    for (let y = 0, f = 0; y < height; y++) {
        const row = ((height - y) % height) * width;
        for (let x = 0; x < width; x++, f++) {
            const opposite = row + ((width - x) % width);
            evenRe[f] = re[f] + re[opposite];
            evenIm[f] = im[f] - im[opposite];
            oddRe[f] = im[f] + im[opposite];
            oddIm[f] = re[opposite] - re[f];
        }
    }
    return { evenRe, evenIm, oddRe, oddIm };
}

/**
 * Roots of the cross-spectrum of the bands at each frequency of a frame: Hermitian matrices R (C, C) of which R R is
 * the spectrum, without its negative eigenvalues, which estimated covariances may have.
 *
 * @param {Float32Array} covariances - (lags, C, C), see `noise_of_run` in `galvae/explorer/generation.py`
 * @returns {{re: Float32Array, im: Float32Array}[][]} entries by row and column
 */
function spectrumRoots(covariances, reach, bands, frame) {
    const size = frame[0] * frame[1];
    const pairs = [];
    for (let a = 0; a < bands; a++) for (let b = 0; b < bands; b++) pairs.push([a, b]);
    const entries = pairs.map(([a, b]) => a < b ? null : spectrumOf(covariances, reach, bands, frame, a, b));
    const roots = pairs.map(() => ({ re: new Float32Array(size), im: new Float32Array(size) }));
    const matrix = new HermitianMatrix(bands);
    for (let f = 0; f < size; f++) {
        const [y, x] = [Math.floor(f / frame[1]), f % frame[1]];
        const opposite = ((frame[0] - y) % frame[0]) * frame[1] + ((frame[1] - x) % frame[1]);
        if (opposite < f) continue; // where the root is the conjugate one
        pairs.forEach(([a, b], i) => {
            const { re, im } = entries[a < b ? b * bands + a : i];
            matrix.re[i] = re[f];
            matrix.im[i] = a < b ? -im[f] : im[f];
        });
        const { re, im } = matrix.root();
        roots.forEach((root, i) => {
            root.re[f] = root.re[opposite] = re[i];
            root.im[f] = im[i];
            root.im[opposite] = opposite === f ? im[i] : -im[i];
        });
    }
    return Array.from({ length: bands }, (_, a) => roots.slice(a * bands, (a + 1) * bands));
}

/** The cross-spectrum of bands a and b on a frame, from half of the covariances. */
function spectrumOf(covariances, [reachY, reachX], bands, [frameY, frameX], a, b) {
    const columns = 2 * reachX + 1;
    const [re, im] = [new Float64Array(frameY * frameX), new Float64Array(frameY * frameX)];
    for (let lag = 0; lag < covariances.length / (bands * bands); lag++) {
        const shifted = lag + reachX; // of rows that begin at -reachX
        const [dy, dx] = [Math.floor(shifted / columns), (shifted % columns) - reachX];
        const place = (dy % frameY) * frameX + ((dx + frameX) % frameX);
        const opposite = ((frameY - dy) % frameY) * frameX + ((frameX - dx) % frameX);
        re[place] += covariances[(lag * bands + a) * bands + b];
        if (lag > 0) re[opposite] += covariances[(lag * bands + b) * bands + a];
    }
    // Swapped, for exp(+i f d): it pairs band a at a pixel with band b at the distance d.
    transform2(im, re, frameY, frameX);
    return { re, im };
}

/** Intensities above each band's sky level. */
function aboveSky(image, bands) {
    const levels = Array.from({ length: bands }, (_, band) =>
        quantile(image.filter((__, place) => place % bands === band).sort(), SKY_SHARE));
    return image.map((value, place) => value - levels[place % bands]);
}

/** A piecewise linear function of one band, given by columns of (n, C) arrays; constant beyond their ends. */
function interpolated(value, xs, ys, bands, band) {
    let low = 0;
    let high = xs.length / bands - 1;
    if (value <= xs[band]) return ys[band];
    if (value >= xs[high * bands + band]) return ys[high * bands + band];
    while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (xs[middle * bands + band] <= value) low = middle;
        else high = middle;
    }
    const [x0, x1] = [xs[low * bands + band], xs[high * bands + band]];
    const [y0, y1] = [ys[low * bands + band], ys[high * bands + band]];
    return y0 + ((y1 - y0) * (value - x0)) / (x1 - x0);
}
