import { axisTicks } from "./camera.js";
import { cssColour } from "./colour_scale.js";
import { make } from "../elements.js";
import { columnTitle, numberText } from "../texts.js";

/**
 * Puts the legend of the plane's colours into an element: a bar for numbers; for classes a list, in which a click
 * highlights one or several.
 *
 * @param {HTMLElement} element
 * @param {Object} app
 */
export function mountLegend(element, app) {
    const { store } = app;
    let buttons = new Map(); // level -> button
    const showHighlight = ({ highlight }) => {
        for (const [level, button] of buttons) {
            button.setAttribute("aria-pressed", String(Boolean(highlight?.includes(level))));
            button.classList.toggle("dimmed", Boolean(highlight) && !highlight.includes(level));
        }
    };
    const toggle = (level) => {
        const before = store.get().highlight ?? [];
        const after = before.includes(level) ? before.filter((other) => other !== level) : [...before, level];
        store.set({ highlight: after.length ? after : null });
    };
    store.on(["colouring"], (state) => {
        const { colouring } = state;
        const focused = [...buttons].find(([, button]) => button === document.activeElement)?.[0];
        buttons = new Map();
        if (!colouring.column) return element.replaceChildren();
        const unknown = colouring.counts[colouring.unknown];
        if (colouring.column.kind === "number") {
            element.replaceChildren(...numberLegend(colouring));
            const text = `unknown (${unknown.toLocaleString("en")})`;
            if (unknown) element.append(make("span", { className: "unknown" }, swatch(colouring, colouring.unknown), text));
        } else {
            const { classes } = colouring.column;
            classes.forEach((name, level) => buttons.set(level, classButton(colouring, level, name, toggle)));
            if (unknown) buttons.set(colouring.unknown, classButton(colouring, colouring.unknown, "unlabelled", toggle));
            const note = classes.length > colouring.distinct ? ` (${colouring.distinct} colours, which repeat)` : "";
            const title = make("span", { className: "title", textContent: columnTitle(colouring.column) + note });
            const list = make("div", { className: "classes", role: "group", "aria-label": "Highlight classes" });
            list.append(...buttons.values());
            element.replaceChildren(title, list);
        }
        showHighlight(state);
        buttons.get(focused)?.focus();
    });
    store.on(["highlight"], showHighlight);
}

function classButton(colouring, level, name, toggle) {
    const count = colouring.counts[level].toLocaleString("en");
    return make(
        "button",
        { type: "button", title: `Highlight: ${name}`, onclick: () => toggle(level) },
        swatch(colouring, level),
        make("span", { className: "name", textContent: name }),
        make("small", { textContent: count }),
    );
}

function swatch(colouring, level) {
    const square = make("span", { className: "swatch" });
    square.style.background = cssColour(colouring.colours[level]);
    return square;
}

/** The title, and a bar with the colours of numbers. */
function numberLegend({ column, colours, low, high }) {
    if (!Number.isFinite(low)) return [make("span", { className: "title" }, `${columnTitle(column)}: no galaxy has a value`)];
    const title = make(
        "span",
        { className: "title", textContent: columnTitle(column) },
        make("small", { textContent: " colours from the 1st to the 99th percentile" }),
    );
    const bar = make("canvas", { width: 256, height: 1, "aria-hidden": "true" });
    const context = bar.getContext("2d");
    for (let i = 0; i < 256; i++) {
        context.fillStyle = cssColour(colours[i]);
        context.fillRect(i, 0, 1, 1);
    }
    const values = high > low ? axisTicks(low, high, 6) : [{ value: low, text: numberText(low) }];
    const ticks = values.map(({ value, text }) => {
        const tick = make("span", { textContent: text });
        tick.style.left = `${high > low ? (100 * (value - low)) / (high - low) : 0}%`;
        return tick;
    });
    return [title, make("div", { className: "bar" }, bar, make("div", { className: "ticks" }, ...ticks))];
}
