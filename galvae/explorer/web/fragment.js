import { drawnOrigin, galaxyState, movedOrigin, placeOrigin, walkState } from "./states.js";

const ADDRESS_PAUSE = 400; // milliseconds without a change before the address changes; Safari refuses 100 in 30 s
const KEYS_IN_ADDRESS = [
    ...["x", "y", "colour", "camera", "galaxy", "partner", "place", "draw", "step", "code", "condition", "noise"],
    ...["noiseSeed", "tab", "theme"],
];

/**
 * Keeps what the page shows in its address, after #, and shows what an address says.
 *
 * Galaxies stand by their ids; a code by the numbers in which it differs from that of its galaxy or walk, else in full.
 * What of an address is not understood, such as an id that the page does not have, is left out, and said in a sentence.
 * Each galaxy that is shown is an entry of the browser's history.
 * `app.link()` is the address of the present view afterwards.
 *
 * @param {Object} app - with all parts of the page mounted
 * @returns {Promise<void>} done when the page shows what its address says, or a typical galaxy
 */
export async function mountFragment(app) {
    let written = "";
    let timer = null;
    let entry = null; // the galaxy of the present entry of the browser's history

    function read() {
        const text = location.hash.slice(1);
        if (text === written) return;
        written = text;
        const ignored = showFragment(app, new URLSearchParams(text));
        if (ignored.length) app.say(`Not understood in the address of this page: ${ignored.join(", ")}.`, true);
        entry = app.store.get().galaxy;
    }

    function write() {
        const { galaxy } = app.store.get();
        written = fragmentOf(app);
        // Back leads to the galaxy before; what else changes makes no entry of its own.
        if (galaxy === entry) history.replaceState(null, "", `#${written}`);
        else history.pushState(null, "", `#${written}`);
        entry = galaxy;
    }

    app.link = () => {
        write();
        return location.href;
    };

    read();
    const isEmpty = () => app.store.get().galaxy === null && !app.store.get().code;
    if (isEmpty()) {
        const galaxy = await typicalGalaxy(app);
        if (isEmpty()) app.store.set({ galaxy }); // else one was clicked meanwhile
    }
    entry = app.store.get().galaxy;
    write(); // so that Back leads here, too
    app.store.on(KEYS_IN_ADDRESS, () => {
        clearTimeout(timer);
        timer = setTimeout(write, ADDRESS_PAUSE);
    });
    window.addEventListener("hashchange", read);
}

/** The galaxy nearest to the mean of all codes, if it can be of those with an image. */
async function typicalGalaxy({ data, latent }) {
    const layout = data.manifest.thumbnails;
    const pictured = layout ? await data.array(layout.galaxies) : [];
    if (!latent) return pictured[0] ?? 0;
    const mean = new Float64Array(latent.dim);
    for (let place = 0; place < latent.codes.length; place += latent.dim) {
        for (let i = 0; i < latent.dim; i++) mean[i] += latent.codes[place + i] / latent.count;
    }
    const near = latent.nearest(mean, 100).map(({ galaxy }) => galaxy);
    const withImage = new Set(pictured);
    return near.find((galaxy) => withImage.has(galaxy)) ?? near[0] ?? 0;
}

/** The state as text: only what differs from a page that was just opened. */
function fragmentOf(app) {
    const { manifest } = app.data;
    const state = app.store.get();
    const words = new URLSearchParams();
    const first = firstPlane(manifest);
    if (state.x !== first.x || state.y !== first.y) {
        words.set("x", state.x);
        words.set("y", state.y);
    }
    if (state.colour !== manifest.colour) words.set("colour", state.colour ?? "");
    if (state.camera) words.set("view", [state.camera.x, state.camera.y, state.camera.scale].map(addressNumber).join(","));
    if (state.galaxy !== null) words.set("galaxy", app.ids[state.galaxy]);
    if (state.partner !== null) words.set("partner", app.ids[state.partner]);
    if (state.place) words.set("place", [state.place.x, state.place.y].map(addressNumber).join(","));
    else if (state.draw !== null) words.set("draw", state.draw);
    else if (state.step !== null) words.set("walk", state.step);
    const base = baseOf(app, state);
    for (const [word, key] of [["z", "code"], ["c", "condition"]]) {
        if (!state[key]) continue;
        const moved = Array.from(state[key].keys()).filter((i) => state[key][i] !== base?.[key]?.[i]);
        if (moved.length) words.set(word, moved.map((i) => `${i}:${addressNumber(state[key][i])}`).join(","));
    }
    if (state.noise) words.set("noise", state.noiseSeed);
    if (state.tab !== "galaxy") words.set("tab", state.tab);
    if (state.theme) words.set("theme", state.theme);
    return words.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
}

/** The state from which a code was moved, if it is a galaxy's or a walk's; null: its numbers stand in full. */
function baseOf(app, { galaxy, partner, place, draw, step }) {
    if (galaxy === null || place || draw !== null || !app.latent) return null;
    if (step === null) return galaxyState(app, galaxy);
    return partner === null ? null : walkState(app, partner, galaxy, step);
}

function firstPlane({ planes }) {
    return planes[0] ?? {};
}

function addressNumber(value) {
    return String(Number(value.toPrecision(6)));
}

/** Shows what an address says, and returns what of it was not understood. */
function showFragment(app, words) {
    const { manifest } = app.data;
    const ignored = [];
    const keys = ["x", "y", "colour", "view", "galaxy", "partner", "place", "draw", "walk", "z", "c", "noise", "tab", "theme"];
    for (const key of new Set(words.keys())) {
        if (!keys.includes(key) && ignored.length < 5) ignored.push(key.slice(0, 20));
    }
    /** The value of a key as `parse` makes it, or `otherwise` where there is none or `parse` returns undefined. */
    const read = (key, parse, otherwise) => {
        const text = words.get(key);
        const value = text === null ? otherwise : parse(text);
        if (value === undefined) ignored.push(key);
        return value ?? otherwise;
    };
    const columnNamed = (name) => manifest.columns.find((column) => column.name === name);
    const ofKind = (...kinds) => (name) => (kinds.includes(columnNamed(name)?.kind) ? name : undefined);
    const [axis, colour] = [ofKind("number"), ofKind("number", "class")]; // as the toolbar offers them
    const galaxyOf = (id) => {
        const galaxy = app.ids.indexOf(id);
        return galaxy < 0 ? undefined : galaxy;
    };
    const oneOf = (...choices) => (text) => (choices.includes(text) ? text : undefined);
    const whole = (text) => (/^\d{1,9}$/.test(text) ? Number(text) : undefined);
    const first = firstPlane(manifest);
    const view = read("view", (text) => numbersOf(text, 3), null);
    const seed = read("noise", whole, null);
    const now = app.store.get();
    const [x, y] = [read("x", axis, first.x ?? now.x), read("y", axis, first.y ?? now.y)];
    if (view && !(view[2] > 0)) ignored.push("view");
    app.store.set({
        x,
        y,
        colour: read("colour", (name) => (name === "" ? name : colour(name)), manifest.colour) || null,
        camera: view && view[2] > 0 ? { x: view[0], y: view[1], scale: view[2] } : null,
        partner: read("partner", galaxyOf, null),
        noise: seed !== null,
        noiseSeed: seed ?? now.noiseSeed,
        tab: read("tab", oneOf("galaxy", "selection"), "galaxy"),
        theme: read("theme", oneOf("dark", "light"), null),
    });
    const galaxy = read("galaxy", galaxyOf, null);
    const place = read("place", (text) => numbersOf(text, 2), null);
    const draw = read("draw", whole, null);
    const step = read("walk", (text) => (Number(text) >= 0 && Number(text) <= 1 && text.trim() ? Number(text) : undefined), null);
    if (!app.latent) {
        if (galaxy !== null) app.store.set(galaxyState(app, galaxy));
        return ignored;
    }
    const moves = read("z", (text) => movesOf(text, app.latent.dim), []);
    const changes = read("c", (text) => movesOf(text, app.latent.conditionDim), []);
    ignored.push(...showCode(app, { galaxy, place, draw, step, moves, changes }));
    return ignored;
}

/** Shows the code that an address says; returns what of it was left out. */
function showCode(app, { galaxy, place, draw, step, moves, changes }) {
    const { latent, store, decoding } = app;
    const { partner } = store.get();
    const ignored = [];
    if (galaxy !== null) store.set(galaxyState(app, galaxy));
    if (step !== null && galaxy !== null && partner !== null) store.set(walkState(app, partner, galaxy, step));
    else if (step !== null) ignored.push("walk");
    const inFull = moves.length === latent.dim;
    const state = store.get();
    const code = moved(state.code ?? (inFull ? new Float32Array(latent.dim) : null), moves);
    let condition = moved(state.condition ?? (latent.conditionDim ? latent.typical : null), changes);
    if (condition && !isCondition(app, condition, state.condition)) {
        ignored.push("c");
        condition = state.condition ?? latent.typical;
    }
    if (!code) return moves.length ? [...ignored, "z"] : ignored;
    if (place && inFull) {
        const [x, y] = place;
        store.set({ code, condition, origin: placeOrigin(app, { x, y }), place: { x, y } });
    } else if (draw !== null && inFull) {
        store.set({ code, condition, origin: drawnOrigin(app, draw), place: null, draw, step: null });
    } else {
        if (place || draw !== null) ignored.push(place ? "place" : "draw");
        if (!moves.length && !changes.length) return ignored;
        const { reference } = decoding;
        if (reference.code) decoding.move({ code, condition, origin: movedOrigin(app, reference, code, condition) });
        else store.set({ code, condition, origin: "a code of the address", place: null, draw: null, step: null });
    }
    return ignored;
}

/** Numbers with a comma between them; undefined if there are not so many, or one is not finite. */
function numbersOf(text, count) {
    const numbers = text.split(",").map((word) => (word.trim() ? Number(word) : NaN));
    return numbers.length === count && numbers.every(Number.isFinite) ? numbers : undefined;
}

/** Pairs "axis:value" as [axis, value]; undefined if one is none. */
function movesOf(text, count) {
    const words = text.split(",", count + 1); // of which more are none
    const pairs = words.map((pair) => pair.split(":").map((word) => (word.trim() ? Number(word) : NaN)));
    const valid = ([axis, value, ...more]) =>
        Number.isInteger(axis) && axis >= 0 && axis < count && Number.isFinite(Math.fround(value)) && !more.length;
    return pairs.length <= count && pairs.every(valid) && new Set(pairs.map(([axis]) => axis)).size === pairs.length ? pairs : undefined;
}

/** A copy of a code or condition with other values in some places; null stays null. */
function moved(values, pairs) {
    const copy = values && Float32Array.from(values);
    for (const [axis, value] of copy ? pairs : []) copy[axis] = value;
    return copy;
}

/** Whether a model can decode at a condition: one learned class, and numbers in the range of training or the galaxy's. */
function isCondition(app, condition, own) {
    const { classes, learned, numbers } = app.data.manifest.conditions;
    const labels = [...classes.keys()].filter((i) => condition[i] !== 0);
    const isLearned = (label) => (condition[label] === 1 && learned.includes(label)) || own?.[label] === 1;
    const inRange = ({ low, high }, k) => {
        const i = classes.length + k;
        const slack = 1e-5 * (Math.abs(low) + Math.abs(high));
        return condition[i] === own?.[i] || (condition[i] >= low - slack && condition[i] <= high + slack);
    };
    return (!classes.length || (labels.length === 1 && isLearned(labels[0]))) && numbers.every(inRange);
}
