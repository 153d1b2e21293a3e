import { make } from "../elements.js";
import { latentSymbol } from "./latent_names.js";
import { Slider } from "./slider.js";
import { movedOrigin } from "../states.js";

const GALAXIES_AROUND = 50; // galaxies
const DIRECTIONS = 3;
const SPAN = 2; // standard deviations
const STILL = 120; // milliseconds without a change of the code before directions are computed

const EXPLAINED = `Principal directions of the ${GALAXIES_AROUND} galaxies nearest to the code, in their standard deviations σ.`;

/**
 * Sliders along what differs most among the galaxies around a code: the principal directions of the nearest codes.
 *
 * @param {HTMLElement} element
 * @param {Object} app
 * @returns {function()} brings them up to date when they are shown
 */
export function mountDirections(element, app) {
    const { store, latent, decoding } = app;
    const list = make("div");
    const recentre = make("button", { type: "button", title: `Directions of the ${GALAXIES_AROUND} galaxies nearest to the present code` }, "Re-centre here");
    const note = make("p", { className: "muted" });
    element.append(list, recentre, note);
    let [centre, directions, amounts] = [null, [], []];
    let last = null; // the code around which the sliders are, or to which they have led
    let timer = null;

    function change(which, amount) {
        amounts[which] = amount;
        const code = centre.slice();
        directions.forEach(({ vector, std }, k) => {
            if (amounts[k]) vector.forEach((value, i) => (code[i] += amounts[k] * std * value));
        });
        last = code;
        const { reference } = decoding;
        decoding.move({ code, origin: movedOrigin(app, reference, code, store.get().condition, true) });
    }

    function centreHere() {
        last = centre = store.get().code;
        directions = latent.directions(centre, GALAXIES_AROUND, DIRECTIONS);
        amounts = directions.map(() => 0);
        list.inert = false;
        list.replaceChildren(...directions.map(({ vector }, which) => {
            const slider = new Slider(app, {
                name: `Direction ${which + 1}`,
                detail: strongest(vector),
                title: "The latents that change most along it, and by how much",
                text: (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(2)} σ`,
                change: (value) => change(which, value),
            });
            slider.set(-SPAN, SPAN, 0, 0);
            return slider.element;
        }));
        recentre.hidden = !directions.length;
        note.textContent = directions.length ? EXPLAINED : "There are too few galaxies for directions.";
    }

    function isOutdated() {
        const { code } = store.get();
        return !element.hidden && code && code !== last;
    }

    function update() {
        if (isOutdated()) centreHere();
    }

    recentre.onclick = centreHere;
    store.on(["code"], () => {
        clearTimeout(timer);
        list.inert = Boolean(isOutdated()); // sliders around another code lead nowhere near
        timer = setTimeout(update, STILL); // once for all codes of a walk or a drag
    });
    return update;
}

/** The latents that change most along a direction, as "z₃ +0.8, z₁ −0.4". */
function strongest(vector) {
    const order = [...vector.keys()].sort((a, b) => Math.abs(vector[b]) - Math.abs(vector[a])).slice(0, 3);
    return order.map((axis) => `${latentSymbol(axis)} ${vector[axis] < 0 ? "−" : "+"}${Math.abs(vector[axis]).toFixed(1)}`).join(", ");
}
