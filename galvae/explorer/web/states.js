import { fullCircle } from "./sky.js";
import { numberText } from "./texts.js";

/** Galaxies whose codes are averaged where a place is decoded. */
export const NEIGHBOURS = 8;

/**
 * The state in which a galaxy is shown as it is: itself, its code and its condition.
 *
 * @param {Object} app
 * @param {number} galaxy - its position
 * @returns {Object} patch for the store
 */
export function galaxyState(app, galaxy) {
    const code = app.latent ? app.latent.code(galaxy) : null;
    return {
        galaxy,
        code: code && !code.some(Number.isNaN) ? code : null,
        condition: app.latent ? app.latent.conditionOf(galaxy) : null,
        origin: `galaxy ${app.ids[galaxy]}`,
        place: null,
        draw: null,
        step: null,
    };
}

/**
 * The state of a walk between two galaxies.
 *
 * @param {Object} app
 * @param {number} partner, galaxy - the start and the end
 * @param {number} step - the share of the way, 0 to 1
 * @returns {Object} patch for the store
 */
export function walkState(app, partner, galaxy, step) {
    const origin = `between ${app.ids[partner]} and ${app.ids[galaxy]}, ${Math.round(100 * step)} %`;
    const { code, condition } = app.latent.between(partner, galaxy, step);
    return { code: code.some(Number.isNaN) ? null : code, condition, origin, place: null, draw: null, step };
}

/** What the code of a place of the present plane is, in words: that place of two latents, else a mean. */
export function placeOrigin({ data, store, latent }, { x, y }) {
    const { columns, ra } = data.manifest;
    const state = store.get();
    const at = `(${numberText(state.x === ra ? fullCircle(x) : x, 3)}, ${numberText(y, 3)})`;
    const isLatent = (name) => columns.find((column) => column.name === name).origin === "latent";
    if (isLatent(state.x) && isLatent(state.y)) return `place ${at} of the plane`;
    return `mean of the ${Math.min(NEIGHBOURS, latent.count)} galaxies around ${at}`;
}

/** What a random draw is, in words. */
export function drawnOrigin(app, seed) {
    return `random draw (${app.prior?.label ?? "of a prior"}, seed ${seed})`;
}

/**
 * What a code is that was moved by hand, in words.
 *
 * @param {Object} app
 * @param {{code: Float32Array, condition: Float32Array|null, origin: string}} reference - what it was before
 * @param {Float32Array} code
 * @param {Float32Array|null} condition
 * @param {boolean} alongDirections - whether it was moved along local directions rather than single latents
 * @returns {string} such as "galaxy 17, 3 latents moved, redshift 0.8"
 */
export function movedOrigin(app, reference, code, condition, alongDirections = false) {
    const parts = [reference.origin];
    const moved = code.reduce((count, value, i) => count + (value !== reference.code[i]), 0);
    if (moved && alongDirections) parts.push("moved along local directions");
    else if (moved) parts.push(`${moved} ${moved === 1 ? "latent" : "latents"} moved`);
    const { classes = [], numbers = [] } = app.data.manifest.conditions ?? {};
    const differs = (i) => condition && condition[i] !== reference.condition[i];
    const label = classes.findIndex((_, i) => condition?.[i] === 1);
    if (label >= 0 && differs(label)) parts.push(`as ${classes[label]}`);
    numbers.forEach(({ name, unit }, i) => {
        const value = condition?.[classes.length + i];
        if (differs(classes.length + i)) parts.push(`${name} ${numberText(value, 3)}${unit ? ` ${unit}` : ""}`);
    });
    return parts.join(", ");
}
