import { isOwnCode } from "./decoding.js";
import { make } from "../elements.js";
import { stampButton } from "../stamps.js";
import { galaxyState } from "../states.js";
import { readable } from "../texts.js";

const NEIGHBOURS_SHOWN = 8;
const SEARCH_PAUSE = 120; // milliseconds without a change before galaxies are looked for

/**
 * What is near the present code: a sentence on how far the nearest galaxy is, and stamps of the nearest ones.
 *
 * @param {HTMLElement} distance - where the sentence goes
 * @param {HTMLElement} element - where the stamps go
 * @param {Object} app
 */
export function mountNeighbours(distance, element, app) {
    const { store, latent, ids } = app;
    if (!latent) {
        element.hidden = true;
        return;
    }
    const title = make("h3");
    const stamps = make("div", { className: "neighbours" });
    element.append(title, stamps);
    const show = (galaxy) => store.set(galaxyState(app, galaxy));
    let timer = null;

    function update() {
        const { code, galaxy } = store.get();
        element.hidden = !code;
        distance.hidden = !code;
        if (!code) return;
        const own = isOwnCode(app);
        title.textContent = own ? readable(`Nearest galaxies to ${ids[galaxy]}`) : "Nearest galaxies to the present code";
        const near = latent.nearest(code, NEIGHBOURS_SHOWN, own ? galaxy : null);
        stamps.replaceChildren(...near.map(({ galaxy: other, distance: far }) =>
            stampButton(app, other, `at a distance of ${far.toFixed(2)} in the latent space`, () => show(other))));
        distance.classList.toggle("far", !own && near.length > 0 && near[0].distance > latent.far);
        if (own || !near.length) {
            distance.textContent = "Move a slider, walk, or click on an empty place of the plane: the third image changes.";
            return;
        }
        const [nearest] = near;
        distance.replaceChildren(
            nearest.distance > latent.far ? make("strong", {}, "An extrapolation: ") : "The nearest galaxy is ",
            make("button", { type: "button", className: "link", onclick: () => show(nearest.galaxy) }, ids[nearest.galaxy]),
            nearest.distance > latent.far
                ? `, the nearest galaxy, is ${nearest.distance.toFixed(2)} away in the latent space; 99 % of galaxies have one within ${latent.far.toFixed(2)}.`
                : `, ${nearest.distance.toFixed(2)} away in the latent space.`,
        );
    }

    store.on(["code"], () => {
        clearTimeout(timer);
        timer = setTimeout(update, SEARCH_PAUSE);
    });
    update();
}
