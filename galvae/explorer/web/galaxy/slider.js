import { make } from "../elements.js";
import { counts, drawHistogram } from "../histogram.js";

const SLIDER_BINS = 60;
const SLIDER_STEPS = 400; // of a slider from end to end

/** A number between two ends, set by a slider over the histogram of all galaxies. */
export class Slider {
    /**
     * @param {Object} app
     * @param {{name: string, detail: string, title: string, text: function(number): string,
     *   values: (function(): ArrayLike<number>)|null, change: function(number)}} options - `detail` is shown in grey
     *   after the name, `text` shows a value, `values` returns those of all galaxies (null: no histogram); `change`
     *   is called with each value while it moves
     */
    constructor(app, { name, detail = "", title = "", text, values = null, change }) {
        Object.assign(this, { app, text, values, change, low: 0, high: 1, home: 0 });
        this.counted = null;
        // Whole steps, since those of a fraction do not lead to the end of the range.
        this.input = make("input", { type: "range", min: 0, max: SLIDER_STEPS, step: 1, "aria-label": `${name} ${detail}`.trim(), title });
        this.number = make("span", { className: "slider-value" }); // no <output>, which would be read out at every step
        this.button = make("button", { type: "button", className: "undo", title: `Reset ${name}`, "aria-label": `Reset ${name}` }, "↺");
        this.canvas = make("canvas", { "aria-hidden": "true" });
        const head = make("div", { className: "slider-head", title: title || name }, make("span", { className: "slider-name" }, name),
            make("small", {}, detail), this.button, this.number);
        const track = make("div", { className: values ? "track" : "track plain" }, values ? this.canvas : null, this.input);
        this.element = make("div", { className: "slider" }, head, track);
        this.input.addEventListener("input", () => {
            app.decoding.hold();
            const share = Number(this.input.value) / SLIDER_STEPS;
            const value = (1 - share) * this.low + share * this.high;
            this.show(value);
            change(value);
        });
        for (const event of ["change", "pointerup", "pointercancel"]) {
            this.input.addEventListener(event, () => app.decoding.release());
        }
        const reset = () => {
            this.show(this.home);
            change(this.home);
            app.decoding.release();
        };
        this.button.addEventListener("click", reset);
        this.input.addEventListener("dblclick", reset);
    }

    /**
     * Sets ends, the value to which a reset leads, and the present value; the ends make room for both values.
     *
     * @param {number} low, high, home, value
     */
    set(low, high, home, value) {
        const room = [low, high, home, value].filter(Number.isFinite);
        [this.low, this.high, this.home] = [Math.min(...room), Math.max(...room), home];
        this.show(value);
        this.draw();
    }

    /** Where a value is, from 0 at the lower end to 1 at the upper one. */
    share(value) {
        return this.high > this.low ? (value - this.low) / (this.high - this.low) : 0.5;
    }

    /** Shows a value. */
    show(value) {
        this.input.value = Math.round(SLIDER_STEPS * this.share(value));
        this.number.textContent = this.text(value);
        this.input.setAttribute("aria-valuetext", this.text(value));
        this.button.disabled = value === this.home;
    }

    /** Draws the histogram with a mark at the value to which a reset leads. */
    draw() {
        if (!this.values || !this.canvas.clientWidth) return; // it is not visible
        const key = `${this.low} ${this.high}`;
        if (this.counted?.key !== key) this.counted = { key, counts: counts(this.values(), this.low, this.high, SLIDER_BINS) };
        drawHistogram(this.canvas, this.counted.counts, { marker: this.share(this.home) });
    }
}
