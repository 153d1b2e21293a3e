import { mountActions } from "./actions.js";
import { mountCatalogue } from "./catalogue.js";
import { Decoding, galaxyState } from "./decoding.js";
import { make } from "../elements.js";
import { mountNeighbours } from "./neighbours.js";
import { mountSliders } from "./sliders.js";
import { paint, paintOriginal, stampCanvas } from "./stamps.js";
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
    const figure = (caption, title) => {
        const canvas = stampCanvas(app, title);
        const absent = make("span", { className: "absent", hidden: true }, "no image at hand");
        const node = make("figure", { title }, canvas, absent, make("figcaption", {}, caption));
        return { node, canvas, absent };
    };
    const original = figure("Original", "The image of the galaxy, small");
    const decoded = figure("Reconstruction", "Decoded from the galaxy's own code, the mean of its posterior, at its own condition");
    const edited = figure("Edited", "Decoded from the present code: what the sliders, a walk or a place of the plane lead to");
    element.append(original.node, decoded.node, edited.node);
    const nothing = make("p", { className: "muted" }, "Click on a galaxy of the plane to see it here.");
    element.append(nothing);

    async function update({ galaxy }) {
        const some = galaxy !== null;
        original.node.hidden = !some;
        decoded.node.hidden = !some || !app.decoder || !app.latent;
        if (!some) return;
        const image = decoded.node.hidden ? null : decoding.reconstruction(galaxy);
        decoded.node.hidden = !image;
        if (image) paint(app, decoded.canvas, image);
        for (const one of [original, decoded]) one.canvas.setAttribute("aria-label", `${one.node.textContent.trim()} of galaxy ${ids[galaxy]}`);
        const found = await paintOriginal(app, original.canvas, galaxy, () => store.get().galaxy === galaxy);
        if (store.get().galaxy !== galaxy) return;
        original.canvas.hidden = !found;
        original.absent.hidden = found;
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
        edited.canvas.setAttribute("aria-label", `Edited image: ${store.get().origin}`);
    });
    update(store.get());
    describe(store.get());
}
