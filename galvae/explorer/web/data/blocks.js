import { Thumbnails } from "./thumbnails.js";

const TYPES = {
    f2: Uint16Array,
    f4: Float32Array,
    f8: Float64Array,
    u1: Uint8Array,
    i2: Int16Array,
    i4: Int32Array,
};
const NO_SERVER = "The server of this page does not answer; galvae explore serve=true runs until Ctrl-C.";
const WRITE_AGAIN = "Copy the page again, or write it again with galvae explore.";

/**
 * Opens the data of the page: what stands in the page itself, or in the files of the folder beside it.
 *
 * @returns {Promise<PageData>} the data, of which arrays are read when they are first asked for
 * @throws {Error} with a sentence for the reader, if the page is not whole or cannot read its files, or the browser is too old
 */
export async function openData() {
    if (!("DecompressionStream" in window)) {
        throw new Error("This browser is older than 2023: the page needs a newer Chrome, Edge, Firefox or Safari.");
    }
    let manifest;
    try {
        manifest = JSON.parse(document.getElementById("manifest").textContent);
    } catch {
        throw new Error(`The page is not whole. ${WRITE_AGAIN}`);
    }
    if (manifest.data && window.location.protocol === "file:") {
        throw new Error(
            "The galaxies of this page are in files beside it, which browsers read from a web server only: " +
                "run galvae explore run=RUN serve=true, or put the folder on a web server.",
        );
    }
    return new PageData(manifest);
}

/** The data of a page: its manifest, its arrays and its thumbnails. */
export class PageData {
    /** @param {Object} manifest - what the page shows, as galvae/explorer/contents.py writes it */
    constructor(manifest) {
        this.manifest = manifest;
        this.count = manifest.count;
        this.promises = new Map(); // name -> promise of an array
        this.thumbnails = new Thumbnails(this);
    }

    /**
     * An array, read once.
     *
     * @param {string} name - a key of the manifest's `arrays`
     * @returns {Promise<TypedArray|string[]>} in C order; float16 as Float32Array, texts as strings
     * @throws {Error} with a sentence for the reader, if it is missing or damaged
     */
    array(name) {
        if (!this.promises.has(name)) {
            this.promises.set(name, this.read(name));
            this.promises.get(name).catch(() => this.promises.delete(name)); // the server may answer again
        }
        return this.promises.get(name);
    }

    /**
     * A column with its values.
     *
     * @param {string} name - of the column
     * @returns {Promise<Object>} its entry in the manifest's `columns`, with `values`, one of each galaxy: of the
     *   entry's `array`, or of the codes, if it is the latent `axis`
     */
    async column(name) {
        const entry = this.manifest.columns.find((column) => column.name === name);
        if (entry.origin !== "latent") return { ...entry, values: await this.array(entry.array) };
        const codes = await this.array("codes");
        return { ...entry, values: columnOf(codes, this.manifest.latent_dim, entry.axis) };
    }

    /**
     * The stamp of a galaxy.
     *
     * @param {number} galaxy - position of the galaxy
     * @returns {Promise<{image: ImageBitmap, x: number, y: number, width: number, height: number}|null>} an image, in
     *   which the stamp has its upper left corner at (x, y), to be drawn at once, as the image may be closed later; null if the page has none of this
     *   galaxy
     */
    thumbnail(galaxy) {
        return this.thumbnails.of(galaxy);
    }

    /**
     * A file of the page.
     *
     * @param {string} name - of a part of an array or of a sheet of thumbnails
     * @returns {Promise<Uint8Array>} its bytes
     */
    async file(name) {
        if (this.manifest.data) {
            const response = await fetch(`${this.manifest.data}/${name}.bin`).catch(() => null);
            if (!response) throw new Error(NO_SERVER);
            if (!response.ok) throw new Error(`the server answers ${response.status}`);
            return new Uint8Array(await response.arrayBuffer());
        }
        const text = atob(document.getElementById(name).textContent);
        const bytes = new Uint8Array(text.length);
        for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
        return bytes;
    }

    /** An error for the reader of the page, about what could not be read because of another error. */
    failure(what, error) {
        if (error.message === NO_SERVER) return error;
        return new Error(`The page's ${what} are missing or damaged. ${WRITE_AGAIN}`, { cause: error });
    }

    /** An array, read from its parts; see `array`. */
    async read(name) {
        const { dtype, shape, parts } = this.manifest.arrays[name];
        try {
            const runs = await Promise.all(parts.map(async (part) => inflated(await this.file(part))));
            const bytes = joined(runs);
            const values = dtype === "text" ? JSON.parse(new TextDecoder().decode(bytes)) : typed(bytes, dtype);
            const count = shape.reduce((product, length) => product * length, 1);
            if (values.length !== count) throw new Error(`${values.length} values, expected ${count}`);
            return values;
        } catch (error) {
            throw this.failure(`data “${name}”`, error);
        }
    }
}

/**
 * One column of a table of numbers, such as a latent of all galaxies.
 *
 * @param {Float32Array} table - (N, width), row after row
 * @param {number} width - numbers of a row
 * @param {number} column - which of them
 * @returns {Float32Array} (N,)
 */
export function columnOf(table, width, column) {
    const values = new Float32Array(table.length / width);
    for (let i = 0, place = column; i < values.length; i++, place += width) values[i] = table[place];
    return values;
}

/** The bytes that a gzip file holds; rejects what is not whole. */
async function inflated(bytes) {
    const stream = new Response(bytes).body.pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Runs of bytes as one. */
function joined(runs) {
    if (runs.length === 1) return runs[0];
    const bytes = new Uint8Array(runs.reduce((total, run) => total + run.length, 0));
    let start = 0;
    for (const run of runs) {
        bytes.set(run, start);
        start += run.length;
    }
    return bytes;
}

/** Little-endian bytes as an array of a type of the manifest. */
function typed(bytes, dtype) {
    const values = new TYPES[dtype](bytes.buffer, 0, bytes.length / TYPES[dtype].BYTES_PER_ELEMENT);
    return dtype === "f2" ? fromHalf(values) : values;
}

/**
 * Numbers of 16 bits (float16) as numbers of 32 bits.
 *
 * @param {Uint16Array} halves - their bits
 * @returns {Float32Array} the same numbers
 */
export function fromHalf(halves) {
    const all = new Float32Array(65536);
    for (let i = 0; i < 65536; i++) {
        const sign = i & 0x8000 ? -1 : 1;
        const exponent = (i >> 10) & 31;
        const fraction = i & 1023;
        if (exponent === 31) all[i] = fraction ? NaN : sign * Infinity;
        else if (exponent) all[i] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
        else all[i] = sign * fraction * 2 ** -24;
    }
    const values = new Float32Array(halves.length);
    for (let i = 0; i < values.length; i++) values[i] = all[halves[i]];
    return values;
}
