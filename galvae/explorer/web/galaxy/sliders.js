import { columnOf } from "../data/blocks.js";
import { mountConditions } from "./conditions.js";
import { mountDirections } from "./directions.js";
import { make } from "../elements.js";
import { latentSymbol, latentText } from "./latent_names.js";
import { Slider } from "./slider.js";
import { movedOrigin } from "../states.js";
import { numberText } from "../texts.js";

const LATENTS_SHOWN = 8; // latents shown at once

/**
 * Sliders that change the code: one of each latent, the most informative first, or along local directions; above them
 * those of the condition.
 *
 * @param {HTMLElement} element
 * @param {Object} app
 */
export function mountSliders(element, app) {
    const { store, data } = app;
    const latents = make("div");
    const directions = make("div");
    const mode = (text, title) => make("button", { type: "button", title }, text);
    const modes = [
        [mode("Latents", "One slider for each number of the code"), latents],
        [mode("Local directions", "Sliders along what differs most among the 50 galaxies nearest to the code"), directions],
    ];
    const choose = (chosen) => {
        for (const [button, part] of modes) {
            button.setAttribute("aria-pressed", String(part === chosen));
            part.hidden = part !== chosen;
        }
        redraw();
    };
    for (const [button, part] of modes) button.addEventListener("click", () => choose(part));
    const conditions = make("div");
    const drawers = [mountConditions(conditions, app), mountLatents(latents, app), mountDirections(directions, app)];
    const redraw = () => drawers.forEach((draw) => draw());
    const single = data.manifest.latent_dim === 1; // which is its own direction
    const head = make("div", { className: "row heading" }, make("h3", {}, single ? "Latent" : "Change the code"),
        ...(single ? [] : [make("span", { className: "group", role: "group", "aria-label": "Kind of sliders" }, ...modes.map(([button]) => button))]));
    element.append(conditions, head, latents, directions);
    choose(latents);

    const present = () => (element.hidden = !store.get().code);
    present();
    store.on(["code"], () => {
        const before = element.hidden;
        if (before !== present()) redraw();
    });
    store.on(["theme", "tab"], () => requestAnimationFrame(redraw)); // when the style sheet has followed
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    new ResizeObserver(redraw).observe(element);
}

/** The sliders of the latents; returns a function that draws their histograms. */
function mountLatents(element, app) {
    const { store, latent, decoding } = app;
    const { latents } = app.data.manifest;
    const list = make("div");
    const more = make("button", { type: "button", className: "link", hidden: latents.length <= LATENTS_SHOWN });
    element.append(list, more);
    const sliders = [];
    let all = false;

    function slider({ axis, name: plain, information, unit, low, high }) {
        const name = plain.replaceAll("(-)", "(−)");
        const change = (value) => {
            const { code: old, condition } = store.get();
            const code = old.slice();
            code[axis] = value;
            decoding.move({ code, origin: movedOrigin(app, decoding.reference, code, condition) });
        };
        const one = new Slider(app, {
            name: latentSymbol(axis),
            detail: name,
            title: `Latent ${axis}${name ? `: ${meaning(plain)}` : ""}; information ${numberText(information, 2)} ${unit}`,
            text: latentText,
            values: () => columnOf(latent.codes, latent.dim, axis),
            change,
        });
        const set = () => {
            const { code } = store.get();
            const home = decoding.reference.code?.[axis];
            const alike = high - low < 1e-3 * Math.max(1, Math.abs(home)); // as of a single galaxy
            if (code) one.set(alike ? home - 1 : low, alike ? home + 1 : high, home, code[axis]);
        };
        const show = () => one.show(store.get().code[axis]);
        return { one, set, show };
    }

    function fill() {
        for (const description of latents.slice(sliders.length, all ? latents.length : LATENTS_SHOWN)) {
            sliders.push(slider(description));
            list.append(sliders.at(-1).one.element);
        }
        sliders.forEach(({ one }, i) => (one.element.hidden = !all && i >= LATENTS_SHOWN));
        more.textContent = all ? `Show the ${LATENTS_SHOWN} most informative` : `Show all ${latents.length} latents`;
        more.setAttribute("aria-expanded", String(all));
        sliders.forEach(({ set }) => set());
    }

    more.onclick = () => {
        all = !all;
        fill();
    };
    store.on(["code"], ({ code }) => {
        if (code) sliders.forEach(({ set, show }) => (decoding.moving ? show() : set()));
    });
    fill();
    return () => sliders.forEach(({ one }) => one.draw());
}

/** What the name of an axis, such as "r50 (+), peak (-)", says: "as it rises, r50 rises and peak falls". */
function meaning(name) {
    const parts = name.split(", ").map((part) => part.replace(/ \(\+\)$/, " rises").replace(/ \(-\)$/, " falls"));
    return `as it rises, ${parts.join(" and ")}`;
}
