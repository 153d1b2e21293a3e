import { drawImage } from "../latent/display.js";
import { make } from "../elements.js";

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
    const { height, width } = app.data.manifest.image;
    canvas.style.aspectRatio = `${width} / ${height}`;
    drawImage(canvas, image, app.data.manifest.image, app.palette);
}

/**
 * Draws the original of a galaxy, of which the page has a square.
 *
 * @param {Object} app
 * @param {HTMLCanvasElement} canvas
 * @param {number} galaxy
 * @param {function(): boolean} wanted - whether the canvas still shows this galaxy, when the image is there
 * @returns {Promise<boolean>} whether the page has its image
 */
export async function paintOriginal(app, canvas, galaxy, wanted = () => true) {
    const stamp = await app.data.thumbnail(galaxy);
    if (!stamp || !wanted()) return Boolean(stamp);
    canvas.width = canvas.height = stamp.side;
    canvas.style.aspectRatio = "1";
    canvas.getContext("2d").drawImage(stamp.image, stamp.x, stamp.y, stamp.side, stamp.side, 0, 0, stamp.side, stamp.side);
    return true;
}

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
        const code = app.decoder && app.decoding.live ? app.latent.code(galaxy) : null;
        if (code && !code.some(Number.isNaN)) paint(app, canvas, app.decoding.decode(code, app.latent.conditionOf(galaxy)));
        else canvas.replaceWith(make("span", { className: "no-stamp" }, String(app.ids[galaxy])));
    });
    return button;
}
