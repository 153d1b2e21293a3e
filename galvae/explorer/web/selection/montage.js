import { evenSample } from "./comparison.js";
import { make } from "../elements.js";
import { Slices } from "../idle.js";
import { paint, stampButton, stampCanvas } from "../stamps.js";
import { galaxyState } from "../states.js";
import { countText } from "../texts.js";

const MEAN_OF = 500; // stamps at most
const MONTAGE_OF = 48;
const MEAN_DECODED = 300; // milliseconds that decoding for a mean image may take

/**
 * The selected galaxies as images: their mean, the image of their mean code, and a montage of some of them.
 *
 * @param {HTMLElement} element
 * @param {Object} app
 * @returns {function(Int32Array|null): Promise<void>} shows galaxies, one or more; null ends what is under way
 */
export function mountMontage(element, app) {
    const mean = meanFigure(app, "Mean image");
    const decoded = meanFigure(app, "Decoded mean code");
    const title = make("h3");
    const grid = make("div", { className: "montage" });
    element.append(make("div", { className: "means" }, mean.element, decoded.element), title, grid);
    const slices = new Slices();

    return async (galaxies) => {
        const goOn = slices.begin();
        if (galaxies === null) return;
        const pictured = await withStamps(app.data, galaxies);
        if (!(await goOn())) return;
        const some = evenSample(pictured.length ? pictured : galaxies, MONTAGE_OF);
        const buttons = [];
        for (const galaxy of some) {
            buttons.push(montageButton(app, galaxy)); // which decodes where there is no stamp
            if (!(await goOn())) return;
        }
        grid.replaceChildren(...buttons);
        const isDecoded = app.decoder && app.decoding.live;
        title.textContent = montageTitle(some.length, galaxies.length, pictured.length, isDecoded);
        decodeMean(app, galaxies, decoded);
        if (!pictured.length) return meanOfDecoded(app, galaxies, mean, goOn);
        try {
            await meanOfStamps(app.data, evenSample(pictured, MEAN_OF), mean, goOn);
        } catch (error) {
            if (!(await goOn())) return; // by now the mean is that of other galaxies
            mean.element.hidden = true;
            app.say(error.message, true);
        }
    };
}

function montageTitle(count, selected, pictured, isDecoded) {
    const sampleOf = (all) => (count === all ? countText(all, "galaxy") : `${count} of ${all.toLocaleString("en")}, evenly spread`);
    if (!pictured) return sampleOf(selected) + (isDecoded ? ", decoded" : "; the page has no images");
    const others = (selected - pictured).toLocaleString("en");
    return sampleOf(pictured) + (pictured < selected ? `; the page has no images of the other ${others}` : "");
}

/** A stamp that shows its galaxy in the plane while the pointer is on it, and in the other tab when clicked. */
function montageButton(app, galaxy) {
    const { store } = app;
    const button = stampButton(app, galaxy, "", () => store.set({ ...galaxyState(app, galaxy), tab: "galaxy" }));
    button.onpointerenter = button.onfocus = () => store.set({ hover: galaxy });
    button.onpointerleave = button.onblur = () => store.set({ hover: null });
    return button;
}

/** A stamp with a title above and a line below that says of what it is. */
function meanFigure(app, label) {
    const canvas = stampCanvas(app, label);
    const caption = make("small");
    const element = make("figure", { hidden: true }, make("figcaption", {}, label), canvas, caption);
    return { element, canvas, caption };
}

/** Those galaxies of which the page has a stamp. */
async function withStamps(data, galaxies) {
    const layout = data.manifest.thumbnails;
    if (!layout) return new Int32Array(0);
    const has = new Uint8Array(data.count);
    for (const galaxy of await data.array(layout.galaxies)) has[galaxy] = 1;
    return galaxies.filter((galaxy) => has[galaxy]);
}

/** Mean of the stamps' colours as they are displayed. */
async function meanOfStamps(data, galaxies, figure, goOn) {
    let sums = null;
    let pen = null;
    for (const galaxy of galaxies) {
        const { image, x, y, width, height } = await data.thumbnail(galaxy);
        pen ??= make("canvas", { width, height }).getContext("2d", { willReadFrequently: true });
        pen.drawImage(image, x, y, width, height, 0, 0, width, height);
        const pixels = pen.getImageData(0, 0, width, height).data;
        sums ??= new Float64Array(pixels.length);
        for (let i = 0; i < pixels.length; i++) sums[i] += pixels[i];
        if (!(await goOn())) return;
    }
    const { width, height } = pen.canvas;
    Object.assign(figure.canvas, { width, height });
    figure.canvas.style.aspectRatio = `${width} / ${height}`;
    const pixels = Uint8ClampedArray.from(sums, (sum) => sum / galaxies.length);
    figure.canvas.getContext("2d").putImageData(new ImageData(pixels, width), 0, 0);
    figure.caption.textContent = `of ${countText(galaxies.length, "stamp")} as displayed`;
    figure.element.hidden = false;
}

/** Mean of decoded images, of as many galaxies as can be decoded in a short time. */
async function meanOfDecoded(app, galaxies, figure, goOn) {
    figure.element.hidden = !app.decoder || !app.decoding.live;
    if (figure.element.hidden) return;
    const most = Math.max(1, Math.min(MEAN_OF, Math.floor(MEAN_DECODED / Math.max(0.2, app.decoder.cost || 1))));
    const some = evenSample(galaxies, most).filter((galaxy) => !app.latent.code(galaxy).some(Number.isNaN));
    figure.element.hidden = !some.length;
    let sums = null;
    for (const galaxy of some) {
        const image = app.decoding.decode(app.latent.code(galaxy), app.latent.conditionOf(galaxy));
        sums ??= new Float32Array(image.length);
        for (let i = 0; i < sums.length; i++) sums[i] += image[i] / some.length;
        if (!(await goOn())) return;
    }
    if (sums) paint(app, figure.canvas, sums);
    figure.caption.textContent = `of ${countText(some.length, "decoded image")}`;
}

/** The image of the mean code of the galaxies, under the mean of their conditions and the class that most have. */
function decodeMean(app, galaxies, figure) {
    const { decoder, latent } = app;
    const { mean: code, count } = meanRow(latent.codes, latent.dim, galaxies);
    figure.element.hidden = !decoder || !count;
    if (figure.element.hidden) return;
    const condition = latent.conditionDim ? meanRow(latent.condition, latent.conditionDim, galaxies).mean : null;
    if (condition && latent.classes) {
        const shares = condition.slice(0, latent.classes);
        condition.fill(0, 0, latent.classes)[shares.indexOf(Math.max(...shares))] = 1;
    }
    paint(app, figure.canvas, app.decoding.decode(code, condition ?? latent.conditionOf(galaxies[0])));
    figure.caption.textContent = `of ${countText(count, "code")}`;
}

/**
 * The mean of some rows of a table.
 *
 * @param {Float32Array} table - (N, width), row after row
 * @param {number} width - numbers of a row
 * @param {Int32Array} rows - which rows; those with NaN do not count
 * @returns {{mean: Float32Array|null, count: number}} (width,), null if no row counts; and how many do
 */
export function meanRow(table, width, rows) {
    const sums = new Float64Array(width);
    let count = 0;
    for (let i = 0; i < rows.length; i++) {
        const start = rows[i] * width;
        let isComplete = true;
        for (let k = 0; k < width; k++) isComplete &&= !Number.isNaN(table[start + k]);
        if (!isComplete) continue;
        for (let k = 0; k < width; k++) sums[k] += table[start + k];
        count++;
    }
    return { mean: count ? Float32Array.from(sums, (sum) => sum / count) : null, count };
}
