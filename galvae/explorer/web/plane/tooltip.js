import { make } from "../elements.js";
import { DECODED, paintDecoded, paintOriginal, stampCanvas } from "../stamps.js";
import { readable, valueText } from "../texts.js";

const GAP = 14; // between the pointer and the tooltip

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
        this.note = make("small", { hidden: true }, DECODED);
        this.element.append(this.canvas, this.title, this.rows, this.note);
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
            this.canvas.hidden = false;
            this.note.hidden = true;
            this.title.textContent = readable(`galaxy ${this.app.ids[galaxy]}`);
            this.rows.replaceChildren(...columns.flatMap((column) => [
                make("dt", {}, column.label), make("dd", {}, Object.values(valueText(column, galaxy)).join(" ").trim()),
            ]));
        }
        this.move(x, y);
        if (!changed) return;
        const wanted = () => galaxy === this.galaxy; // else the pointer has moved on
        const painted = (await paintOriginal(this.app, this.canvas, galaxy, wanted)) || (wanted() && paintDecoded(this.app, this.canvas, galaxy));
        if (!wanted()) return;
        this.canvas.hidden = !painted;
        this.note.hidden = !painted || !this.canvas.classList.contains("decoded");
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
}
