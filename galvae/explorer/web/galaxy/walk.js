import { make } from "../elements.js";
import { Slider } from "./slider.js";
import { stampButton } from "../stamps.js";
import { galaxyState, walkState } from "../states.js";
import { readable } from "../texts.js";

const WALK_SECONDS = 5; // of a walk that is played
const CALM_WALK_STEPS = 8; // steps of a walk for readers who prefer reduced motion, a second each

/**
 * A walk through the latent space from one galaxy, the store's `partner`, to the one that is shown.
 *
 * @param {HTMLElement} element
 * @param {Object} app
 */
export function mountWalk(element, app) {
    const { store, decoding, ids } = app;
    const button = (text, title, onclick) => make("button", { type: "button", title, onclick }, text);
    const end = button("End the walk", "Forget the start of the walk", () => {
        stop();
        store.set({ partner: null, ...galaxyState(app, store.get().galaxy) });
    });
    const play = button("Play", "", () => (playing === null ? start() : stop()));
    const note = make("p", { className: "muted" });
    const ends = [make("span"), make("span")];
    const slider = new Slider(app, {
        name: "Walk",
        title: "Where on the way the edited image is",
        text: (value) => `${Math.round(100 * value)} %`,
        change: (value) => {
            stop();
            go(value);
        },
    });
    const way = make("div", { className: "walk" }, ends[0], slider.element, ends[1]);
    element.append(make("h3", {}, "Walk between two galaxies"), note, way, make("div", { className: "row" }, play, end));
    let playing = null; // what stops it

    function go(share) {
        const { partner, galaxy } = store.get();
        store.set(walkState(app, partner, galaxy, Math.round(1e4 * share) / 1e4));
    }

    function start() {
        const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
        const first = store.get().step;
        let step = first === null || first >= 1 ? 0 : first;
        let before = performance.now();
        let latest = store.get().code;
        const pause = () => (calm ? 1000 : Math.max(1000 / 30, 1.5 * Math.min(...decoding.costs)));
        const tick = () => {
            if (store.get().code !== latest) return stop(); // which something else has changed
            go(step);
            latest = store.get().code;
            if (step >= 1) return stop();
            const now = performance.now();
            step = Math.min(1, step + (calm ? 1 / CALM_WALK_STEPS : (now - before) / (1000 * WALK_SECONDS)));
            before = now;
            playing = setTimeout(tick, pause());
        };
        playing = setTimeout(tick, 0);
        play.textContent = "Pause";
    }

    function stop() {
        clearTimeout(playing);
        playing = null;
        play.textContent = "Play";
    }

    function update(state, changed) {
        const { partner, galaxy, step } = state;
        element.hidden = partner === null || galaxy === null;
        const ready = partner !== null && galaxy !== null && partner !== galaxy;
        if (changed.has("galaxy") || changed.has("partner")) {
            stop();
            ends.forEach((place, i) => {
                const one = [partner, galaxy][i];
                if (ready) place.replaceChildren(stampButton(app, one, i ? "the end" : "the start", () => go(i)));
            });
            const route = readable(`From ${ids[partner]} to ${ids[galaxy]}`);
            const start = readable(`It begins at ${ids[partner]}.`);
            note.textContent = ready ? `${route}.` : `${start} Now choose the galaxy where it ends, in the plane or below.`;
            play.title = `${route} in ${WALK_SECONDS} seconds`;
        }
        way.hidden = play.hidden = !ready;
        if (ready && !changed.has("galaxy") && decoding.holding) slider.show(step ?? 1);
        else if (ready) slider.set(0, 1, 1, step ?? 1);
    }

    store.on(["galaxy", "partner", "step"], update);
    update(store.get(), new Set(["galaxy"]));
}
