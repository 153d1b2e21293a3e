import { make } from "../elements.js";
import { columnTitle } from "../texts.js";

const TOOLS = {
    pan: ["Pan", "Drag the picture; click on a galaxy to see it, on an empty place to decode it"],
    rectangle: ["Rectangle", "Drag a rectangle around galaxies to select them"],
    lasso: ["Lasso", "Draw a line around galaxies to select them"],
    decode: ["Decode", "Press or drag anywhere to decode what would be there"],
};
const ORIGINS = {
    umap: "UMAP", class: "Classes", condition: "Conditions", catalogue: "Catalogue", measured: "Measured",
    latent: "Latents", split: "Split",
};

/**
 * Puts the tools of the plane and the choice of its columns into an element.
 *
 * @param {HTMLElement} element
 * @param {Object} app
 */
export function mountToolbar(element, app) {
    const { store } = app;
    const { columns, planes } = app.data.manifest;
    const tools = Object.entries(TOOLS).map(([tool, [text, title]]) =>
        make("button", { type: "button", textContent: text, title, onclick: () => store.set({ tool }) }));
    const clear = button("Clear selection", "Select no galaxy", () => store.set({ selection: null }));
    const numbers = columns.filter(({ kind }) => kind === "number");
    const own = make("option", { value: "", textContent: "own choice", hidden: true });
    const named = planes.map(({ name }, i) => make("option", { value: String(i), textContent: name }));
    const plane = make("select", {}, ...named, own);
    const x = columnSelect(numbers);
    const y = columnSelect(numbers);
    const colour = columnSelect(columns.filter(({ kind }) => kind !== "text"));
    colour.prepend(make("option", { value: "", textContent: "nothing" }));
    plane.onchange = () => store.set({ x: planes[plane.value].x, y: planes[plane.value].y });
    x.onchange = () => store.set({ x: x.value });
    y.onchange = () => store.set({ y: y.value });
    colour.onchange = () => store.set({ colour: colour.value || null });
    element.append(
        make("div", { className: "group", role: "group", "aria-label": "Tool" }, ...tools),
        make(
            "div",
            { className: "group" },
            button("Zoom in", "Magnify about the centre (key +)", () => app.plane.zoomIn()),
            button("Zoom out", "Show more (key −)", () => app.plane.zoomOut()),
            button("Reset view", "Show all galaxies (key 0)", () => app.plane.reset()),
            clear,
        ),
        make(
            "div",
            { className: "group" },
            ...(planes.length ? [labelled("Plane", plane)] : []),
            labelled("x", x),
            labelled("y", y),
            labelled("Colour", colour),
        ),
    );

    const show = (state) => {
        tools.forEach((tool, i) => tool.setAttribute("aria-pressed", String(Object.keys(TOOLS)[i] === state.tool)));
        clear.disabled = !state.selection;
        x.value = state.x;
        y.value = state.y;
        colour.value = state.colour ?? "";
        const index = planes.findIndex((one) => one.x === state.x && one.y === state.y);
        plane.value = index < 0 ? "" : String(index);
        for (const select of [plane, x, y, colour]) select.title = select.selectedOptions[0]?.textContent ?? "";
    };
    store.on(["tool", "selection", "x", "y", "colour"], show);
    show(store.get());
}

function button(textContent, title, onclick) {
    return make("button", { type: "button", textContent, title, onclick });
}

function labelled(text, select) {
    select.setAttribute("aria-label", text); // else the label's text has that of all options
    return make("label", {}, text, select);
}

/** A choice of columns, in groups by where they come from. */
function columnSelect(columns) {
    const origins = [...new Set(columns.map(({ origin }) => origin))];
    const groups = origins.map((origin) => {
        const options = columns.filter((column) => column.origin === origin);
        return make("optgroup", { label: ORIGINS[origin] ?? origin }, ...options.map((column) =>
            make("option", { value: column.name, textContent: columnTitle(column) })));
    });
    return make("select", {}, ...groups);
}
