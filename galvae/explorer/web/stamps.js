import { drawImage } from "./latent/display.js";
import { make } from "./elements.js";
import { readable } from "./texts.js";

/**
 * A canvas for an image of the run, which is shown pixel by pixel.
 *
 * @param {Object} app
 * @param {string} label - for screen readers
 * @returns {HTMLCanvasElement}
 */
export function stampCanvas(app, label) {
    const { height, width } = app.data.manifest.image;
    return make("canvas", { className: "stamp", width, height, role: "img", "aria-label": label });
}

/** Draws an image, (height * width * bands,) in [0, 1], as all images of the page are drawn. */
export function paint(app, canvas, image) {
    canvas.classList.remove("waiting", "decoded");
    const { height, width } = app.data.manifest.image;
    canvas.style.aspectRatio = `${width} / ${height}`;
    drawImage(canvas, image, app.data.manifest.image, app.palette);
}

/**
 * Draws the original of a galaxy, which may be reduced; until it is there, the canvas shows nothing.
 *
 * @param {Object} app
 * @param {HTMLCanvasElement} canvas
 * @param {number} galaxy
 * @param {function(): boolean} wanted - whether the canvas still shows this galaxy, when the image is there
 * @returns {Promise<boolean>} whether the page has its image; an image that cannot be read is said in a sentence
 */
export async function paintOriginal(app, canvas, galaxy, wanted = () => true) {
    canvas.classList.add("waiting");
    const stamp = await app.data.thumbnail(galaxy).catch((error) => app.say(error.message, true));
    if (!stamp || !wanted()) return Boolean(stamp);
    canvas.classList.remove("waiting", "decoded");
    const { image, x, y, width, height } = stamp;
    Object.assign(canvas, { width, height });
    canvas.style.aspectRatio = `${width} / ${height}`;
    canvas.getContext("2d").drawImage(image, x, y, width, height, 0, 0, width, height);
    return true;
}

/**
 * Draws a galaxy as its own code decodes it, if that is quick, with a mark that it is not its image.
 *
 * @param {Object} app
 * @param {HTMLCanvasElement} canvas
 * @param {number} galaxy
 * @returns {boolean} whether it has
 */
export function paintDecoded(app, canvas, galaxy) {
    const { decoder, decoding, latent } = app;
    const code = decoder && decoding?.live ? latent.code(galaxy) : null;
    if (!code || code.some(Number.isNaN)) return false;
    paint(app, canvas, decoding.decode(code, latent.conditionOf(galaxy)));
    canvas.classList.add("decoded");
    return true;
}

/** What is said of an image with this mark. */
export const DECODED = "decoded: its image is not in this page";

/**
 * A small image of a galaxy as a button that shows the galaxy: its original, decoded where the page has none and
 * decoding is quick, else its id alone.
 *
 * @param {Object} app
 * @param {number} galaxy
 * @param {string} detail - what its title says after the id
 * @param {function()} onclick
 * @returns {HTMLButtonElement}
 */
export function stampButton(app, galaxy, detail, onclick) {
    const name = `galaxy ${app.ids[galaxy]}${detail ? `, ${detail}` : ""}`;
    const canvas = stampCanvas(app, "");
    canvas.setAttribute("aria-hidden", "true");
    const button = make("button", { type: "button", className: "stamp-button", title: name, "aria-label": name, onclick }, canvas);
    paintOriginal(app, canvas, galaxy).then((painted) => {
        if (painted) return;
        if (paintDecoded(app, canvas, galaxy)) button.title = readable(`${name}, ${DECODED}`);
        else canvas.replaceWith(make("span", { className: "no-stamp" }, app.ids[galaxy]));
    });
    return button;
}
