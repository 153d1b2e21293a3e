/** What of the plane is in view: data at the centre of a rectangle of pixels, with a scale of each axis; y points up. */
export class View {
    /**
     * @param {{x: number, y: number, scale: number}} camera - data at the centre, pixels per unit of x
     * @param {number} ratio - pixels per unit of y divided by those per unit of x; 1 on planes with equal scales
     * @param {number} width, height - of the rectangle in CSS pixels
     * @param {boolean} mirrored - whether x grows to the left, as right ascension does on the sky; `scaleX`, the change
     *   of pixels to the right per unit of x, is negative then
     */
    constructor(camera, ratio, width, height, mirrored = false) {
        this.camera = camera;
        this.mirrored = mirrored;
        this.scaleX = mirrored ? -camera.scale : camera.scale;
        this.scaleY = camera.scale * ratio;
        this.width = width;
        this.height = height;
    }

    /** Pixels from the left of a value of x. */
    left(x) {
        return this.width / 2 + (x - this.camera.x) * this.scaleX;
    }

    /** Pixels from the top of a value of y. */
    top(y) {
        return this.height / 2 - (y - this.camera.y) * this.scaleY;
    }

    /** Data at pixels from the left and from the top. */
    at(left, top) {
        return {
            x: this.camera.x + (left - this.width / 2) / this.scaleX,
            y: this.camera.y - (top - this.height / 2) / this.scaleY,
        };
    }

    /** The camera after the data have been dragged by pixels to the right and downwards. */
    dragged(right, down) {
        const { x, y, scale } = this.camera;
        return { x: x - right / this.scaleX, y: y + down / this.scaleY, scale };
    }

    /** The camera after a zoom about a pixel, at which the data stay: a factor above 1 magnifies. */
    zoomed(factor, left, top) {
        const fixed = this.at(left, top);
        const { x, y, scale } = this.camera;
        return { x: fixed.x + (x - fixed.x) / factor, y: fixed.y + (y - fixed.y) / factor, scale: scale * factor };
    }
}

/**
 * The camera that shows ranges of x and y whole, with a margin.
 *
 * @param {number[]} xRange, yRange - (low, high)
 * @param {number} width, height - of the rectangle in CSS pixels
 * @param {number|null} ratio - pixels per unit of y divided by those per unit of x; null: each fills the rectangle
 * @returns {{camera: Object, ratio: number}} see `View`
 */
export function fittedCamera(xRange, yRange, width, height, ratio) {
    const spans = [xRange, yRange].map(([low, high]) => (high > low ? high - low : Math.abs(low) || 1));
    const margin = 0.94;
    let scaleX = (margin * width) / spans[0];
    const scaleY = (margin * height) / spans[1];
    if (ratio) scaleX = Math.min(scaleX, scaleY / ratio);
    const camera = { x: (xRange[0] + xRange[1]) / 2, y: (yRange[0] + yRange[1]) / 2, scale: scaleX };
    return { camera, ratio: ratio ?? scaleY / scaleX };
}

/**
 * Round numbers for an axis, 1, 2 or 5 times a power of ten apart.
 *
 * @param {number} low, high - the ends of the axis
 * @param {number} most - about how many at most
 * @param {function(number): number} displayed - the number that stands at a value
 * @returns {{value: number, text: string}[]} those between the ends, with as many decimals as they differ in
 */
export function axisTicks(low, high, most, displayed = (value) => value) {
    const rough = (high - low) / Math.max(most, 1);
    if (!(rough > 0) || !Number.isFinite(rough)) return [];
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9));
    const first = Math.ceil(low / step - 1e-9);
    const count = Math.floor(high / step + 1e-9) - first + 1;
    const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const largest = Math.max(Math.abs(low), Math.abs(high));
    return Array.from({ length: Math.max(0, count) }, (_, i) => {
        const value = (first + i) * step;
        const number = displayed(value);
        const text = decimals > 6 || largest >= 1e7 ? exponential(number, step, largest) : number.toFixed(decimals);
        return { value, text: (Number(text) === 0 ? text.replace("-", "") : text).replace(/-/g, "−") };
    });
}

/** A number as 1.25e7, with the digits in which neighbouring ticks differ. */
function exponential(value, step, largest) {
    if (value === 0) return "0";
    const digits = Math.floor(Math.log10(largest)) - Math.floor(Math.log10(step) + 1e-9);
    return value.toExponential(Math.min(8, Math.max(0, digits))).replace("e+", "e");
}
