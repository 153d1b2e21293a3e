import { mountActions } from "./actions.js";
import { mountCatalogue } from "./catalogue.js";
import { Decoding } from "./decoding.js";
import { make } from "../elements.js";
import { mountNeighbours } from "./neighbours.js";
import { mountSliders } from "./sliders.js";
import { paint, paintOriginal, stampCanvas } from "../stamps.js";
import { galaxyState } from "../states.js";
import { countText, readable } from "../texts.js";
import { mountWalk } from "./walk.js";

/**
 * The tab "Galaxy" of the side panel: a galaxy's images, its row of the catalogue, its neighbours, and all that changes
 * the code that is decoded.
 *
 * `app.decoding` is set for the other parts of the page.
 *
 * @param {HTMLElement} element
 * @param {Object} app - whose `latent` and `decoder` are null in a page without codes or decoder
 */
export function mountInspector(element, app) {
    app.decoding = new Decoding(app);
    const { galaxy } = app.store.get();
    if (galaxy !== null) app.store.set(galaxyState(app, galaxy)); // which was chosen before the codes were read
    const names = ["images", "origin", "distance", "actions", "walks", "catalogue", "nearest", "sliders"];
    const [images, origin, distance, actions, walk, catalogue, neighbours, sliders] = names.map((name) =>
        make("div", { className: name }));
    element.append(make("div", { className: "pinned" }, images, origin, distance), actions, walk, catalogue, neighbours, sliders);
    mountImages(images, origin, app);
    mountActions(actions, app);
    mountCatalogue(catalogue, app);
    mountNeighbours(distance, neighbours, app);
    if (app.latent && app.decoder) {
        mountSliders(sliders, app);
        mountWalk(walk, app);
    }
}

/** Original, reconstruction and edited image beside each other, and what the edited one is. */
function mountImages(element, origin, app) {
    const { store, decoding, ids } = app;
    const figure = (title) => {
        const canvas = stampCanvas(app, title);
        const absent = make("span", { className: "absent", hidden: true }, absence(app.data));
        absent.style.aspectRatio = `${canvas.width} / ${canvas.height}`;
        const caption = make("figcaption");
        const node = make("figure", { title }, canvas, absent, caption);
        const name = (text, more = "") => {
            caption.textContent = readable(text);
            canvas.setAttribute("aria-label", readable(text + more));
        };
        return { node, canvas, absent, name };
    };
    const original = figure("The image of the galaxy, small");
    const decoded = figure("Decoded from the galaxy's own code, the mean of its posterior, at its own condition");
    const edited = figure("Decoded from the present code: what the sliders, a walk or a place of the plane lead to");
    element.append(original.node, decoded.node, edited.node);
    const nothing = make("p", { className: "muted" }, "Click on a galaxy of the plane to see it here.");
    element.append(nothing);

    async function update({ galaxy }) {
        const some = galaxy !== null;
        original.node.hidden = !some;
        decoded.node.hidden = !some || !app.decoder || !app.latent;
        if (!some) return;
        original.name(`Original of ${ids[galaxy]}`);
        decoded.name(`Reconstruction of ${ids[galaxy]}`);
        const image = decoded.node.hidden ? null : decoding.reconstruction(galaxy);
        decoded.node.hidden = !image;
        if (image) paint(app, decoded.canvas, image);
        original.canvas.hidden = false;
        original.absent.hidden = true;
        const painted = await paintOriginal(app, original.canvas, galaxy, () => store.get().galaxy === galaxy);
        if (store.get().galaxy !== galaxy) return;
        original.canvas.hidden = !painted;
        original.absent.hidden = painted;
    }

    function describe({ galaxy, code, origin: text }) {
        nothing.hidden = galaxy !== null || Boolean(code);
        origin.hidden = !nothing.hidden;
        const why = !app.latent
            ? "This page holds no codes, so nothing is decoded."
            : !app.decoder
              ? "This page holds no decoder, so only images at hand are shown."
              : galaxy !== null && !code
                ? "This galaxy has no code."
                : "";
        origin.replaceChildren(make("strong", { title: text }, text), why && make("p", { className: "muted" }, why));
    }

    store.on(["galaxy"], update);
    store.on(["galaxy", "code", "origin"], describe);
    decoding.follow((image) => {
        edited.node.hidden = !image;
        if (image) paint(app, edited.canvas, image);
        edited.name(decoding.isEdit ? "Edited" : "Decoded", ` image: ${store.get().origin}`);
    });
    update(store.get());
    describe(store.get());
}

/** Why there is no image of a galaxy. */
function absence({ manifest, count }) {
    const layout = manifest.thumbnails;
    if (!layout) return "This page holds no images.";
    const [pictured] = manifest.arrays[layout.galaxies].shape;
    if (pictured === count) return "No image at hand.";
    return `No image at hand: this page holds those of ${pictured.toLocaleString("en")} of ${countText(count, "galaxy")}.`;
}
