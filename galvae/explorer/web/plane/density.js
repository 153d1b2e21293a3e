import { packedColour } from "./colour_scale.js";

const FAINT = 0.3; // opacity of galaxies that are not in the selection or not in the highlighted classes
const COVERED = 0.25; // share of the picture that the discs would cover side by side
const SIZES = [1, 5]; // smallest and largest diameter of a point, CSS pixels
const LONELY = 2.5; // how much larger than the average a point is drawn at most
const STEPS = 4; // diameters in a device pixel
const CELL = 24; // CSS pixels over which points are counted for their diameter

const FINE = 8; // steps of a point's weight in which opacity changes
const MOST_STEPS = 1e5;

/**
 * Points drawn as an image: each pixel has the mean colour of its points, the more opaque the more there are.
 *
 * Opacity grows with the logarithm of the number of points, from a floor at which a single one is still seen. Points
 * are discs of 1 to 5 CSS pixels, the smaller the more there are in view and around them.
 */
export class Density {
    constructor() {
        this.sums = new Float32Array(0); // of each pixel: weight of its points, and three sums over them
        this.faint = new Float32Array(0); // of each pixel: weight of its faint points
        this.pixelOf = new Int32Array(0); // of each point: its pixel, or -1
        this.cells = new Int32Array(0); // of each point in view: its cell
    }

    /**
     * @param {Uint32Array} pixels - (height * width) to be written, RGBA as ImageData holds it
     * @param {number} width, height - in device pixels
     * @param {number} ratio - device pixels per CSS pixel
     * @param {View} view - what is in view, in CSS pixels
     * @param {{xs: TypedArray, ys: TypedArray, faint: Uint8Array|null}} points - (N,) data; NaN is not drawn
     * @param {Object} colouring - see colour_scale.js
     * @param {number[]} grey - (r, g, b) of faint points
     * @returns {number} how many points are in view
     */
    draw(pixels, width, height, ratio, view, points, colouring, grey) {
        const largest = Math.ceil(SIZES[1] * ratio) + 1;
        const row = width + 2 * largest; // a margin, so that a disc at the edge needs no care
        const side = CELL * ratio;
        const perRow = Math.ceil(width / side) + 2; // with a margin here, too
        const counts = new Int32Array(perRow * (Math.ceil(height / side) + 2));
        const inView = this.locate(points, view, ratio, row, height, largest, side, perRow, counts);
        const average = Math.sqrt((COVERED * view.width * view.height) / Math.max(inView, 1));
        const mean = (inView * 9 * CELL * CELL) / (view.width * view.height);
        const discs = discsOf(counts, perRow, mean, average, ratio, row);
        const most = this.count(discs, points.faint, colouring, row * (height + 2 * largest));
        this.paint(pixels, width, height, row, largest, opacities(most), points.faint, colouring, grey);
        return inView;
    }

    /** Finds the pixel and the cell of each point, and counts those of each cell; returns how many are in view. */
    locate({ xs, ys }, view, ratio, row, height, margin, side, perRow, counts) {
        if (this.pixelOf.length !== xs.length) {
            this.pixelOf = new Int32Array(xs.length);
            this.cells = new Int32Array(xs.length);
        }
        const { pixelOf, cells } = this;
        const { camera } = view;
        const width = row - 2 * margin;
        const [scaleX, scaleY] = [view.scaleX * ratio, view.scaleY * ratio];
        const [centreX, centreY] = [(view.width / 2) * ratio, (view.height / 2) * ratio];
        let inView = 0;
        for (let i = 0; i < pixelOf.length; i++) {
            const left = centreX + (xs[i] - camera.x) * scaleX;
            const top = centreY - (ys[i] - camera.y) * scaleY;
            if (left >= 0 && left < width && top >= 0 && top < height) {
                pixelOf[i] = (Math.floor(top) + margin) * row + Math.floor(left) + margin;
                cells[i] = (Math.floor(top / side) + 1) * perRow + Math.floor(left / side) + 1;
                counts[cells[i]]++;
                inView++;
            } else pixelOf[i] = -1; // which NaN is too
        }
        return inView;
    }

    /** Adds the points to the pixels that their discs cover; returns the largest weight. */
    count(discs, isFaint, { levels, table }, size) {
        if (this.sums.length !== 4 * size) {
            this.sums = new Float32Array(4 * size);
            this.faint = new Float32Array(size);
        } else {
            this.sums.fill(0);
            this.faint.fill(0);
        }
        const { sums, faint, pixelOf, cells } = this;
        let most = 0;
        for (let i = 0; i < pixelOf.length; i++) {
            if (pixelOf[i] < 0) continue;
            const { offsets, weights } = discs[cells[i]];
            if (isFaint !== null && isFaint[i]) {
                for (let k = 0; k < offsets.length; k++) faint[pixelOf[i] + offsets[k]] += weights[k];
                continue;
            }
            const level = 3 * levels[i];
            for (let k = 0; k < offsets.length; k++) {
                const place = 4 * (pixelOf[i] + offsets[k]);
                const weight = weights[k];
                const total = (sums[place] += weight);
                sums[place + 1] += weight * table[level];
                sums[place + 2] += weight * table[level + 1];
                sums[place + 3] += weight * table[level + 2];
                if (total > most) most = total;
            }
        }
        return most;
    }

    /** Writes the pixels from what `count` has added up. */
    paint(pixels, width, height, row, margin, opacity, isFaint, { means, packedColours, unknown }, grey) {
        const { sums, faint } = this;
        const last = opacity.length - 1;
        const packedGrey = packedColour(grey);
        for (let y = 0; y < height; y++) {
            let place = (y + margin) * row + margin;
            for (let target = y * width, end = target + width; target < end; target++, place++) {
                const weight = sums[4 * place];
                if (weight > 0) {
                    const [a, b, c] = [sums[4 * place + 1], sums[4 * place + 2], sums[4 * place + 3]];
                    let colour;
                    if (!means) colour = ((c / weight + 0.5) << 16) | ((b / weight + 0.5) << 8) | (a / weight + 0.5);
                    else colour = packedColours[b > 0 ? (a / b + 0.5) | 0 : unknown];
                    pixels[target] = colour | (opacity[Math.min(last, (FINE * weight) | 0)] << 24);
                } else if (isFaint !== null && faint[place] > 0) {
                    pixels[target] = packedGrey | ((255 * FAINT * Math.min(1, faint[place])) << 24);
                } else pixels[target] = 0;
            }
        }
    }
}

/**
 * The opacity of pixels, 0 to 255, by the weight of their points in steps of 1 / FINE.
 *
 * @param {number} most - the largest weight, which is opaque
 * @returns {Uint8Array} whose last entry stands for all larger weights
 */
function opacities(most) {
    const floor = 1 / (1 + 0.13 * Math.log(Math.max(most, 1))); // of a single point
    const slope = most > 1 ? (1 - floor) / Math.log(most) : 0;
    return Uint8Array.from({ length: Math.min(FINE * most, MOST_STEPS) + 1 }, (_, step) => {
        const weight = (step + 0.5) / FINE;
        return Math.round(255 * Math.min(1, weight < 1 ? floor * (step / FINE) : floor + slope * Math.log(weight)));
    });
}

/**
 * The discs that points are drawn as, by cell. Their diameter falls with the fourth root of the number of points in a
 * cell and in the eight around it: lonely points are seen, and dense regions still have more ink.
 *
 * @param {Int32Array} counts - number of points by cell, with a margin of one empty cell
 * @param {number} perRow - cells of a row
 * @param {number} mean - mean number of points in nine cells
 * @param {number} average - diameter where there are so many, CSS pixels
 * @param {number} ratio - device pixels per CSS pixel
 * @param {number} row - device pixels of a row of the image
 * @returns {Object[]} see `disc`; undefined for cells of the margin
 */
function discsOf(counts, perRow, mean, average, ratio, row) {
    const discBySize = new Map();
    const discs = new Array(counts.length);
    const largest = Math.min(SIZES[1], Math.max(2 * SIZES[0], LONELY * average));
    for (let cell = perRow + 1; cell < counts.length - perRow - 1; cell++) {
        let around = 0;
        for (const start of [cell - perRow, cell, cell + perRow]) {
            around += counts[start - 1] + counts[start] + counts[start + 1];
        }
        const size = average * Math.sqrt(Math.sqrt(mean / Math.max(around, 1)));
        const steps = Math.round(Math.max(SIZES[0], Math.min(size, largest)) * ratio * STEPS);
        if (!discBySize.has(steps)) discBySize.set(steps, disc(steps / STEPS, row));
        discs[cell] = discBySize.get(steps);
    }
    return discs;
}

/**
 * The pixels that a disc around the middle of a pixel covers, in an image with rows of `row` pixels.
 *
 * @param {number} diameter - in pixels, at least 1
 * @param {number} row - pixels of a row
 * @returns {{offsets: Int32Array, weights: Float32Array}} of each pixel, its distance in the flat image from the disc's
 *   centre, and its covered share, 0 to 1
 */
function disc(diameter, row) {
    const offsets = [];
    const weights = [];
    const reach = Math.ceil(diameter / 2);
    for (let y = -reach; y <= reach; y++) {
        for (let x = -reach; x <= reach; x++) {
            const covered = Math.min(1, (diameter + 1) / 2 - Math.hypot(x, y));
            if (covered <= 0) continue;
            offsets.push(y * row + x);
            weights.push(covered);
        }
    }
    return { offsets: Int32Array.from(offsets), weights: Float32Array.from(weights) };
}
