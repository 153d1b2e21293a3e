import { copyText } from "../clipboard.js";
import { isUnmoved } from "./decoding.js";
import { make } from "../elements.js";
import { generator } from "../latent/random.js";
import { recipe, savePng } from "./saving.js";
import { drawnOrigin, galaxyState } from "../states.js";
import { readable } from "../texts.js";

/**
 * The buttons below the images: back to the galaxy, a random draw, noise, and what can be taken out of the page.
 *
 * @param {HTMLElement} element
 * @param {Object} app
 */
export function mountActions(element, app) {
    const { store, decoding, latent, decoder, prior, noise, data } = app;
    const button = (text, title, onclick) => make("button", { type: "button", title, onclick }, text);
    const reset = button("Reset", "", () => store.set(galaxyState(app, store.get().galaxy)));
    const draw = button("Random draw", prior ? `A random code, drawn from the page's prior: ${prior.label}` : "This page holds no prior", () => {
        const seed = (store.get().draw ?? lastSeed) + 1;
        lastSeed = seed;
        store.set(drawnState(app, seed));
    });
    let lastSeed = 0;
    const walk = button("", "Begins a walk at this galaxy; then choose the galaxy where it ends", () =>
        store.set({ partner: store.get().galaxy, step: null }));
    const noisy = button("Noise", noise ? "Adds noise like that of the images" : data.manifest.no_noise || "This page holds no noise", () =>
        store.set({ noise: !store.get().noise }));
    const again = button("New noise", "Other random numbers for the noise", () => store.set({ noiseSeed: store.get().noiseSeed + 1 }));
    const save = button("Save image", "Saves the edited image, enlarged, as a PNG file", () => {
        savePng(app, decoding.image, `${data.manifest.run} ${store.get().origin}`);
    });
    const copy = button("Copy code", "Copies how galvae makes this image: a command, or the code as a line of Python", async () => {
        try {
            const text = recipe(app);
            app.say((await copyText(text)) ? `Copied: ${text.length > 100 ? `${text.slice(0, 100)} …` : text}` : text);
        } catch (error) {
            app.say(error.message, true);
        }
    });
    const link = button("Copy link", "Copies the address of this view", async () => {
        const done = await copyText(app.link());
        app.say(done ? "The address of this view is copied." : "The browser's address bar holds the address of this view.");
    });
    const row = (...buttons) => make("div", { className: "row" }, ...buttons);
    if (latent && decoder) element.append(row(reset, draw, walk, noisy), row(again, save, copy, link));
    else element.append(row(link));

    function update() {
        const { galaxy, partner, code, noise: on } = store.get();
        const id = readable(app.ids[galaxy] ?? "");
        reset.title = galaxy === null ? "Shows a galaxy as it is" : `Back to the code and condition of ${id}`;
        walk.textContent = galaxy === null ? "Walk" : `Walk from ${id}`;
        reset.disabled = galaxy === null || isUnmoved(app);
        draw.disabled = !prior;
        walk.disabled = galaxy === null || galaxy === partner;
        noisy.disabled = !noise;
        noisy.setAttribute("aria-pressed", String(Boolean(noise) && on));
        again.disabled = !noise || !on;
        save.disabled = copy.disabled = !code;
    }

    store.on(["galaxy", "partner", "code", "condition", "noise"], update);
    update();
}

/**
 * The state of a random draw: a code of the prior at the present condition, else at that of a random galaxy.
 *
 * @param {Object} app
 * @param {number} seed - whole number, the same of which gives the same code
 * @returns {Object} patch for the store
 */
function drawnState(app, seed) {
    const random = generator(seed);
    const present = app.store.get().condition;
    const condition = present ?? app.latent.conditionOf(Math.floor(random.uniform() * app.latent.count));
    const code = app.prior.sample(random, condition);
    return { code, condition, origin: drawnOrigin(app, seed), place: null, draw: seed, step: null };
}
