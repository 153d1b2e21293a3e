import { make } from "../elements.js";
import { columnOf } from "../data/blocks.js";
import { Slider } from "./slider.js";
import { movedOrigin } from "../states.js";
import { numberText } from "../texts.js";

/**
 * The condition at which the edited image is decoded: a slider of each number, and a list of the learned classes.
 *
 * @param {HTMLElement} element - hidden for a model without a condition
 * @param {Object} app
 * @returns {function()} draws the histograms
 */
export function mountConditions(element, app) {
    const { store, latent, decoding } = app;
    const { classes, learned, numbers } = app.data.manifest.conditions ?? { classes: [], learned: [], numbers: [] };
    element.hidden = !app.data.manifest.conditions || !latent;
    if (element.hidden) return () => {};
    const note = make("p", { className: "muted" });
    element.append(make("h3", {}, "Change the condition"), note);

    function set(values) {
        const { code, condition: old } = store.get();
        const condition = old.slice();
        for (const [i, value] of values) condition[i] = value;
        const { reference } = decoding;
        decoding.move({ condition, origin: movedOrigin(app, reference, code, condition) });
    }

    const choice = make("select", { "aria-label": "Class at which the edited image is decoded" },
        make("option", { value: "", disabled: true, hidden: true }, "a class that the model has not learned"),
        ...learned.map((label) => make("option", { value: String(label) }, classes[label])));
    choice.onchange = () => set(classes.map((_, i) => [i, Number(i === Number(choice.value))]));
    if (classes.length) element.append(make("label", { className: "condition-class" }, "class ", choice));

    const sliders = numbers.map(({ name, unit, low, high }, k) => {
        const column = classes.length + k;
        const slider = new Slider(app, {
            name,
            detail: unit,
            title: `${name} at which the edited image is decoded, within the range of training`,
            text: (value) => numberText(value, 3),
            values: () => columnOf(latent.condition, latent.conditionDim, column),
            change: (value) => set([[column, value]]),
        });
        element.append(slider.element);
        return { slider, column, low, high };
    });

    function update({ galaxy, condition }) {
        if (!condition) return;
        for (const { slider, column, low, high } of sliders) {
            if (decoding.moving) slider.show(condition[column]);
            else slider.set(low, high, decoding.reference.condition[column], condition[column]);
        }
        const label = condition.subarray(0, classes.length).indexOf(1);
        choice.value = learned.includes(label) ? String(label) : "";
        note.hidden = galaxy === null || latent.knows(galaxy);
        note.textContent = "The condition of this galaxy is not known in full: typical values stand in for what is missing.";
    }

    store.on(["condition", "galaxy", "code"], update); // a new code has a new reference too
    update(store.get());
    return () => sliders.forEach(({ slider }) => slider.draw());
}
