/** Columns of a kernel that are summed at a time: so many sums fit into a processor's registers. */
const TOGETHER = 8;

/**
 * Decodes latent codes into images, as the run's own decoder does.
 *
 * @param {Object} spec - `manifest.decoder`: latent_dim, condition, steps (galvae/explorer/decoder.py)
 * @param {Object<string, ArrayLike<number>>} arrays - by full name: kernels (inputs, size, size, filters), scales, biases
 */
export class Decoder {
    constructor(spec, arrays) {
        this.spec = spec;
        const columns = spec.condition ? spec.condition.mean.length * spec.condition.times : 0;
        this.input = new Float32Array(spec.latent_dim + columns);
        const kinds = { convolution: convolutionStep, edges: edgesStep, pixels: pixelsStep };
        this.steps = spec.steps.map((step) => kinds[step.kind](step, arrays));
        /** Milliseconds of the last decode. */
        this.cost = 0;
    }

    /**
     * @param {ArrayLike<number>} code - D latents
     * @param {ArrayLike<number>|null} condition - K columns in physical units; ignored by models without a condition
     * @returns {Float32Array} H*W*C intensities in [0, 1], row by row, the bands of a pixel side by side
     */
    decode(code, condition) {
        const start = performance.now();
        this.fill(code, condition);
        const logits = this.steps.reduce((features, step) => step(features), this.input);
        const image = logits.map((logit) => 1 / (1 + Math.exp(-logit)));
        this.cost = performance.now() - start;
        return image;
    }

    /** Writes the decoder's input: the code, then each scaled column of the condition as often as the model has it. */
    fill(code, condition) {
        const { latent_dim: count, condition: scaling } = this.spec;
        for (let i = 0; i < count; i++) this.input[i] = code[i];
        scaling?.mean.forEach((mean, column) => {
            const start = count + column * scaling.times;
            const scaled = (condition[column] - mean) / scaling.std[column];
            this.input.fill(scaled, start, start + scaling.times);
        });
    }
}

/**
 * A transposed convolution with bias and nonlinearity: a matrix product, whose columns are added where they belong.
 *
 * All inputs that are not zero (half of them are, after a ReLU) meet TOGETHER columns of the kernel at a time, which stay
 * in the cache. A column is a place within the kernel and a filter; it adds to a sheet that is large enough for all
 * places, of which the outputs are a window.
 */
function convolutionStep(step, arrays) {
    const { inputs: [height, width, count], outputs: [rows, columns, filters], size, stride, offset, slope } = step;
    const kernel = arrays[`${step.name}.kernel`], scale = arrays[`${step.name}.scale`];
    const bias = arrays[`${step.name}.bias`];
    const sheetHeight = Math.max((height - 1) * stride + size, offset[0] + rows);
    const sheetWidth = Math.max((width - 1) * stride + size, offset[1] + columns);
    const places = new Int32Array(Math.ceil((size * size * filters) / TOGETHER) * TOGETHER);
    for (let i = 0, place = 0; i < size; i++) {
        for (let j = 0; j < size; j++) {
            for (let f = 0; f < filters; f++, place++) places[place] = (i * sheetWidth + j) * filters + f;
        }
    }
    const packed = packedKernel(kernel, scale, count, size * size * filters, places.length);
    const origins = new Int32Array(height * width);
    for (let pixel = 0; pixel < origins.length; pixel++) {
        const x = pixel % width, y = (pixel - x) / width;
        origins[pixel] = (y * sheetWidth + x) * stride * filters;
    }
    const sheet = new Float32Array(sheetHeight * sheetWidth * filters);
    const outputs = new Float32Array(rows * columns * filters);
    const sparse = {
        ends: new Int32Array(origins.length),
        which: new Int32Array(origins.length * count),
        values: new Float32Array(origins.length * count),
    };
    return (features) => {
        collect(features, count, sparse);
        sheet.fill(0);
        for (let block = 0; block < places.length; block += TOGETHER) {
            multiply(sparse, packed, block * count, places.subarray(block, block + TOGETHER), origins, sheet);
        }
        const rowLength = columns * filters;
        for (let y = 0, to = 0; y < rows; y++) {
            let from = ((y + offset[0]) * sheetWidth + offset[1]) * filters;
            for (const end = to + rowLength; to < end;) {
                for (let f = 0; f < filters; f++, from++, to++) {
                    const value = sheet[from] + bias[f];
                    outputs[to] = value < 0 ? slope * value : value;
                }
            }
        }
        return outputs;
    };
}

/** A kernel in blocks of TOGETHER columns, each a row of them per input; columns that only fill a block are zero. */
function packedKernel(kernel, scale, count, columns, padded) {
    const packed = new Float32Array(count * padded);
    for (let n = 0; n < count; n++) {
        for (let column = 0; column < columns; column++) {
            const inBlock = column % TOGETHER;
            packed[(column - inBlock) * count + n * TOGETHER + inBlock] =
                kernel[n * columns + column] * scale[column % scale.length];
        }
    }
    return packed;
}

/** Lists the features of each pixel that are not zero: which they are, times TOGETHER, their values, where they end. */
function collect(features, count, { ends, which, values }) {
    let found = 0;
    for (let pixel = 0, i = 0; pixel < ends.length; pixel++) {
        for (let n = 0; n < count; n++, i++) {
            const value = features[i];
            if (value !== 0) {
                which[found] = n * TOGETHER;
                values[found++] = value;
            }
        }
        ends[pixel] = found;
    }
}

/** Adds the products of all pixels' features with a block of a kernel's columns to the places where they belong. */
function multiply({ ends, which, values }, packed, start, places, origins, sheet) {
    const [p0, p1, p2, p3, p4, p5, p6, p7] = places;
    for (let pixel = 0, i = 0; pixel < ends.length; pixel++) {
        let s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
        for (const end = ends[pixel]; i < end; i++) {
            const value = values[i], w = start + which[i];
            s0 += value * packed[w];
            s1 += value * packed[w + 1];
            s2 += value * packed[w + 2];
            s3 += value * packed[w + 3];
            s4 += value * packed[w + 4];
            s5 += value * packed[w + 5];
            s6 += value * packed[w + 6];
            s7 += value * packed[w + 7];
        }
        const origin = origins[pixel];
        sheet[origin + p0] += s0;
        sheet[origin + p1] += s1;
        sheet[origin + p2] += s2;
        sheet[origin + p3] += s3;
        sheet[origin + p4] += s4;
        sheet[origin + p5] += s5;
        sheet[origin + p6] += s6;
        sheet[origin + p7] += s7;
    }
}

/** One more row or column at each edge, mirrored there. */
function edgesStep({ inputs: [height, width, count], outputs: [rows, columns] }) {
    const outputs = new Float32Array(rows * columns * count);
    const inside = (place, side) => Math.min(Math.max(place - 1, 0), side - 1);
    return (features) => {
        for (let y = 0, to = 0; y < rows; y++) {
            for (let x = 0; x < columns; x++, to += count) {
                const from = (inside(y, height) * width + inside(x, width)) * count;
                outputs.set(features.subarray(from, from + count), to);
            }
        }
        return outputs;
    };
}

/** Channels as squares of pixels; pixels beyond the outputs are left out. */
function pixelsStep({ inputs: [, width, count], outputs: [rows, columns, bands] }) {
    const side = Math.sqrt(count / bands);
    const outputs = new Float32Array(rows * columns * bands);
    return (features) => {
        for (let y = 0, to = 0; y < rows; y++) {
            for (let x = 0; x < columns; x++) {
                const square = Math.floor(y / side) * width + Math.floor(x / side);
                const from = square * count + ((y % side) * side + (x % side)) * bands;
                for (let band = 0; band < bands; band++, to++) outputs[to] = features[from + band];
            }
        }
        return outputs;
    };
}
