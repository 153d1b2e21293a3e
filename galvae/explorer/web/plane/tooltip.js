import { make } from "../elements.js";
import { paint, paintOriginal, stampCanvas } from "../galaxy/stamps.js";

const GAP = 14; // between the pointer and the tooltip

/** A column's name with its unit. */
export function columnTitle({ label, unit }) {
    return unit ? `${label} (${unit})` : label;
}

/** The value of a galaxy in a column with its unit, as text. */
export function valueText(column, galaxy) {
    const value = column.values[galaxy];
    if (column.kind === "class") return column.classes[value] ?? "unlabelled";
    if (column.kind === "text") return value;
    if (!Number.isFinite(value)) return "unknown";
    const text = Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
    return column.unit ? `${text} ${column.unit}` : text;
}

/** What is shown of a galaxy beside the pointer: its stamp, its id, its class and values of some columns. */
export class Tooltip {
    /** @param {Object} app - the page */
    constructor(app) {
        this.app = app;
        this.galaxy = null;
        this.canvas = stampCanvas(app, "");
        this.rows = make("dl");
        this.title = make("strong");
        this.element = make("div", { className: "tooltip", hidden: true, "aria-hidden": "true" });
        this.element.append(this.canvas, this.title, this.rows);
        document.body.append(this.element);
    }

    /**
     * Shows a galaxy.
     *
     * @param {number|null} galaxy - its position, null to hide
     * @param {number} x, y - the pointer, in CSS pixels of the window
     * @param {Object[]} columns - with values, of which the tooltip tells
     */
    async show(galaxy, x, y, columns) {
        this.element.hidden = galaxy === null;
        const changed = galaxy !== this.galaxy;
        this.galaxy = galaxy;
        if (galaxy === null) return;
        if (changed) {
            this.title.textContent = `galaxy ${this.app.ids[galaxy]}`;
            this.rows.replaceChildren(...columns.flatMap((column) => [
                make("dt", { textContent: column.label }), make("dd", { textContent: valueText(column, galaxy) }),
            ]));
        }
        this.move(x, y);
        if (!changed) return;
        const wanted = () => galaxy === this.galaxy; // else the pointer has moved on
        const painted = (await paintOriginal(this.app, this.canvas, galaxy, wanted)) || (wanted() && this.decode(galaxy));
        if (!wanted()) return;
        this.canvas.hidden = !painted;
        this.element.dataset.galaxy = galaxy; // whose stamp is drawn
        this.move(x, y);
    }

    /** Beside the pointer, on the side where there is room, never outside the window. */
    move(x, y) {
        const { offsetWidth: width, offsetHeight: height } = this.element;
        const { clientWidth, clientHeight } = document.documentElement;
        const left = x + GAP + width < clientWidth ? x + GAP : x - GAP - width;
        const top = y + GAP + height < clientHeight ? y + GAP : y - GAP - height;
        this.element.style.left = `${Math.max(4, Math.min(left, clientWidth - width - 4))}px`;
        this.element.style.top = `${Math.max(4, Math.min(top, clientHeight - height - 4))}px`;
    }

    /** Draws a galaxy as its own code decodes it, if that is quick; returns whether it has. */
    decode(galaxy) {
        const { decoder, decoding, latent } = this.app;
        const code = decoder && decoding?.live ? latent.code(galaxy) : null;
        if (!code || code.some(Number.isNaN)) return false;
        const { height, width } = this.app.data.manifest.image;
        Object.assign(this.canvas, { width, height });
        paint(this.app, this.canvas, decoding.decode(code, latent.conditionOf(galaxy)));
        return true;
    }
}
