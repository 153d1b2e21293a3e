/** Share of the range below which asinh is nearly linear, and the asinh of its inverse (galvae/stretch.py). */
const SOFTENING = 0.05;
const SOFTENED = Math.asinh(1 / SOFTENING);

/**
 * Colours in which the package's figures draw an image: three bands, or the mean of any other number by a colour map.
 *
 * @param {Float32Array} image - H*W*C intensities, row by row; one that contains NaN is drawn white
 * @param {Object} imageSpec - `manifest.image`: height, width, bands, display {range, rgb, stretch}
 * @param {Uint8Array} palette - 256*3, the colour map of images of one band
 * @returns {Uint8ClampedArray} H*W*4 red, green, blue and opacity, the first row at the top
 */
export function colours(image, imageSpec, palette) {
    const { bands, display: { range, rgb, stretch } } = imageSpec;
    const count = imageSpec.height * imageSpec.width;
    const drawn = new Uint8ClampedArray(4 * count).fill(255);
    if (image.some(Number.isNaN)) return drawn;

    const units = image.map((value) => toUnit(value, range));
    const chosen = rgb ?? [0, 1, 2];
    for (let pixel = 0; pixel < count; pixel++) {
        const from = pixel * bands, to = pixel * 4;
        let colour;
        if (rgb || bands === 3) {
            colour = chosen.map((band) => units[from + band]);
            // An assignment rounds to the nearest whole number as NumPy does, halves to the even one.
            if (rgb) colour = lupton(colour, range ? "asinh" : stretch);
            colour.forEach((value, i) => { drawn[to + i] = Math.fround(255 * value); });
        } else {
            const entry = Math.min(Math.floor(256 * meanOf(units, from, bands)), 255);
            for (let i = 0; i < 3; i++) drawn[to + i] = palette[3 * entry + i];
        }
    }
    return drawn;
}

/**
 * Draws an image on a canvas, a pixel on each of its dots, without smoothing where the canvas is shown larger.
 *
 * @param {HTMLCanvasElement} canvas - takes the image's height and width
 * @param {Float32Array} image - as for `colours`, like the others
 * @param {Object} imageSpec
 * @param {Uint8Array} palette
 */
export function drawImage(canvas, image, imageSpec, palette) {
    canvas.width = imageSpec.width;
    canvas.height = imageSpec.height;
    canvas.style.imageRendering = "pixelated";
    const drawn = new ImageData(colours(image, imageSpec, palette), imageSpec.width, imageSpec.height);
    canvas.getContext("2d").putImageData(drawn, 0, 0);
}

/** An intensity between 0 and 1, as it is, or where a range is given, stretched by asinh over it. */
function toUnit(value, range) {
    if (!range) return clipped(value);
    return asinhStretched(Math.fround(value - range[0]) / (range[1] - range[0]));
}

/** A linear intensity by asinh, which brightens faint light (galvae/stretch.py). */
function asinhStretched(unit) {
    return Math.asinh(clipped(unit) / SOFTENING) / SOFTENED;
}

function clipped(value) {
    return Math.min(Math.max(value, 0), 1);
}

/** Mean of the bands of a pixel, summed in float32 as NumPy does, so that it meets the same entry of a colour map. */
function meanOf(values, from, bands) {
    let sum = 0;
    for (let band = 0; band < bands; band++) sum = Math.fround(sum + values[from + band]);
    return Math.fround(sum / bands);
}

/** Colours of three bands by Lupton's asinh (Lupton et al. 2004, PASP 116, 133), as galvae/figures/canvas.py has it. */
function lupton(colour, stretch) {
    const linear = stretch === "asinh" ? colour.map((unit) => SOFTENING * Math.sinh(unit * SOFTENED)) : colour;
    const mean = (linear[0] + linear[1] + linear[2]) / 3;
    const factor = mean > 0 ? asinhStretched(mean) / mean : 0;
    const largest = Math.max(factor * Math.max(...linear), 1);
    return linear.map((value) => (factor * value) / largest);
}
