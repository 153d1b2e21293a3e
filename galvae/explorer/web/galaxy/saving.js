import { isUnmoved, sameNumbers } from "./decoding.js";
import { download } from "../download.js";
import { make } from "../elements.js";
import { paint } from "../stamps.js";
import { walkState } from "../states.js";
import { shellWord } from "../texts.js";

const SAVED_SIDE = 512; // pixels to which images are enlarged, approximately

/**
 * Saves an image of the page as a PNG file, enlarged by a whole number without smoothing.
 *
 * @param {Object} app
 * @param {Float32Array} image - (height * width * bands,) in [0, 1]
 * @param {string} name - of the file, see `download`
 */
export function savePng(app, image, name) {
    const { height, width } = app.data.manifest.image;
    const zoom = Math.max(1, Math.round(SAVED_SIDE / Math.max(height, width)));
    const small = make("canvas");
    paint(app, small, image);
    const large = make("canvas", { width: width * zoom, height: height * zoom });
    const pen = large.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, 0, 0, large.width, large.height);
    large.toBlob((blob) => download(blob, name, "png"), "image/png");
}

/**
 * How galvae makes what the page shows: a command where there is one, else a line of Python with the code itself.
 *
 * @param {Object} app
 * @returns {string}
 * @throws {Error} as `shellWord`, if the name of the run or an id holds control characters
 */
export function recipe(app) {
    const { manifest } = app.data;
    const { galaxy, partner, step, code, condition } = app.store.get();
    const run = `run=${shellWord(manifest.run, "the name of this run")}`;
    const id = (one) => shellWord(app.ids[one], "this id; save the CSV of the selection instead");
    const walked = step !== null && partner !== null && walkState(app, partner, galaxy, step);
    if (walked && sameNumbers(code, walked.code) && sameNumbers(condition, walked.condition)) {
        return `galvae traverse ${run} from=${id(partner)} to=${id(galaxy)}`;
    }
    if (isUnmoved(app)) return `galvae traverse ${run} at=${id(galaxy)}`;
    const numbers = (values) => `[[${Array.from(values, (value) => Number(value.toPrecision(7))).join(", ")}]]`;
    const given = condition ? `, ${numbers(condition)}` : "";
    return `import galvae; images = galvae.open_run(${JSON.stringify(manifest.run)}).decode(${numbers(code)}${given})`;
}
