import { View, fittedCamera } from "./camera.js";
import { colouringBy, isDark, percentiles, rgbOfHex } from "./colour_scale.js";
import { galaxyState } from "../galaxy/decoding.js";
import { Density } from "./density.js";
import { make } from "../elements.js";
import { MARGINS, drawAxes, drawMarks, themeColours } from "./marks.js";
import { Tools } from "./tools.js";
import { columnTitle } from "./tooltip.js";

const MOST_PIXELS = [4e6, 1.5e6]; // of the picture with few and with many galaxies, so that it moves smoothly
const MANY = 100_000; // galaxies
const ZOOM = 1.5; // factor of a button or a key

/**
 * Puts the plane into its element; `app.plane` is its Plane afterwards.
 *
 * @param {HTMLElement} element
 * @param {Object} app
 * @returns {Promise<void>} done when it is drawn first
 */
export async function mountPlane(element, app) {
    app.plane = new Plane(element, app);
    await app.plane.load();
}

/** The galaxies in a plane of two columns: drawn, moved, picked, selected, decoded. */
export class Plane {
    constructor(element, app) {
        this.element = element;
        this.app = app;
        this.columns = new Map(); // name -> promise of a column
        this.ranges = new Map(); // name -> (low, high) that is shown at first
        this.density = new Density();
        this.loads = 0;
        this.redrawn = NaN; // milliseconds that the last picture took
        this.canvas = make("canvas", { className: "density", tabIndex: 0, role: "application" });
        this.overlay = make("canvas", { className: "overlay", "aria-hidden": "true" });
        this.note = make("span");
        this.key = make("span"); // of the marks
        const plot = make("div", { className: "plot" }, this.canvas, this.overlay);
        element.append(plot, make("p", { className: "note" }, this.note, this.key));
        this.tools = new Tools(this);
        this.follow(plot);
    }

    /** Listens to the page's state, to the window and to the theme. */
    follow(plot) {
        const { store } = this.app;
        store.on(["x", "y", "colour"], (state, changed) => {
            const moved = changed.has("x") || changed.has("y");
            if (moved && !changed.has("camera")) store.set({ camera: null });
            if (moved && !changed.has("place")) store.set({ place: null });
            if (changed.has("colour") && !changed.has("highlight")) store.set({ highlight: null });
            this.load();
        });
        store.on(["theme"], () => this.recolour());
        matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour());
        store.on(["selection", "highlight"], () => this.setFaint());
        store.on(["camera", "selection", "highlight"], () => this.redraw());
        store.on(["galaxy", "partner", "place", "hover"], () => this.redrawMarks());
        new ResizeObserver(() => this.redraw()).observe(plot);
        for (const name of ["focus", "blur"]) this.canvas.addEventListener(name, () => this.redrawMarks());
    }

    /** A column with its values, read once. */
    column(name) {
        if (!this.columns.has(name)) {
            this.columns.set(name, this.app.data.column(name));
            this.columns.get(name).catch(() => this.columns.delete(name)); // it is read again when it is next chosen
        }
        return this.columns.get(name);
    }

    /** Reads the columns of the state, and draws. */
    async load() {
        const load = ++this.loads;
        const { x, y, colour } = this.app.store.get();
        const { data } = this.app;
        const told = data.manifest.columns.filter(({ origin }) => origin === "class" || origin === "condition").slice(0, 3);
        const names = [x, y, colour, ...told.map(({ name }) => name)];
        const read = await Promise.all(names.map((name) => name && this.column(name)));
        this.palettes ??= {
            values: await data.array("palette.values"),
            classes: await data.array("palette.classes"),
            unknown: await data.array("palette.unknown"),
        };
        if (load !== this.loads) return; // other columns were chosen meanwhile
        [this.x, this.y, this.colour] = read;
        this.told = [...new Set([...read.slice(3), this.colour])].filter(Boolean);
        const [xs, ys] = [this.x.values, this.y.values];
        this.points = { xs, ys, faint: null };
        this.placed = xs.reduce((count, value, i) => count + Number.isFinite(value) * Number.isFinite(ys[i]), 0);
        this.recolour();
    }

    recolour() {
        if (!this.points) return;
        const { store, data } = this.app;
        this.colouring = colouringBy(this.colour, this.palettes, isDark(store.get().theme), data.count);
        store.set({ colouring: this.colouring });
        this.setFaint();
        this.draw();
    }

    /** Marks as faint what is not in the highlighted classes, which is not picked either, or not selected. */
    setFaint() {
        if (!this.points) return;
        const { selection, highlight } = this.app.store.get();
        const { levels, unknown } = this.colouring;
        const shown = highlight && new Set(highlight);
        const hidden = shown && Uint8Array.from(levels, (level) => !shown.has(level));
        let faint = hidden;
        if (selection) {
            faint = new Uint8Array(levels.length).fill(1);
            for (const galaxy of selection) faint[galaxy] = hidden ? hidden[galaxy] : 0;
        }
        this.points.faint = faint;
        this.hidden = hidden;
    }

    /** The points that can be picked. */
    get pickable() {
        return { ...this.points, faint: this.hidden };
    }

    /** Draws before the next picture of the screen, once for any number of calls. */
    redraw() {
        this.waiting ??= requestAnimationFrame(() => this.draw());
    }

    redrawMarks() {
        this.waitingMarks ??= requestAnimationFrame(() => this.drawMarks());
    }

    draw() {
        cancelAnimationFrame(this.waiting);
        this.waiting = null;
        if (!this.points) return;
        const start = performance.now();
        this.fit();
        const { width, height } = this.view;
        const most = MOST_PIXELS[Number(this.placed > MANY)];
        const ratio = Math.min(devicePixelRatio, Math.max(1, Math.sqrt(most / (width * height))));
        const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
        if (this.image?.width !== wide || this.image.height !== high) {
            Object.assign(this.canvas, { width: wide, height: high });
            this.image = new ImageData(wide, high);
        }
        const pixels = new Uint32Array(this.image.data.buffer);
        const grey = rgbOfHex(themeColours().muted);
        const inView = this.density.draw(pixels, wide, high, ratio, this.view, this.points, this.colouring, grey);
        this.canvas.getContext("2d").putImageData(this.image, 0, 0);
        this.drawMarks();
        this.describe(inView);
        this.redrawn = performance.now() - start;
        this.element.dataset.drawMs = this.redrawn.toFixed(1);
    }

    /** Fits the canvases to their element, and the view to the camera. */
    fit() {
        const box = this.canvas.parentElement;
        const width = Math.max(50, box.clientWidth - MARGINS.left - MARGINS.right);
        const height = Math.max(50, box.clientHeight - MARGINS.top - MARGINS.bottom);
        const { style } = this.canvas;
        Object.assign(style, { left: `${MARGINS.left}px`, top: `${MARGINS.top}px`, width: `${width}px`, height: `${height}px` });
        const equal = this.x.origin === "umap" && this.y.origin === "umap";
        this.fitted = fittedCamera(this.range(this.x), this.range(this.y), width, height, equal);
        this.view = new View(this.app.store.get().camera ?? this.fitted.camera, this.fitted.ratio, width, height);
    }

    /** The range of a column that is shown at first: all, but for outliers. */
    range({ name, values }) {
        if (!this.ranges.has(name)) {
            const [least, low, high, most] = percentiles(values, [0, 0.5, 99.5, 100]);
            const more = 0.5 * (high - low);
            this.ranges.set(name, most >= least ? [Math.max(least, low - more), Math.min(most, high + more)] : [0, 1]);
        }
        return this.ranges.get(name);
    }

    drawMarks() {
        cancelAnimationFrame(this.waitingMarks);
        this.waitingMarks = null;
        if (!this.view) return;
        const { galaxy, partner, place, hover } = this.app.store.get();
        const { width, height } = this.view;
        const whole = [width + MARGINS.left + MARGINS.right, height + MARGINS.top + MARGINS.bottom];
        [this.overlay.width, this.overlay.height] = whole.map((length) => Math.round(length * devicePixelRatio));
        [this.overlay.style.width, this.overlay.style.height] = whole.map((length) => `${length}px`);
        const context = this.overlay.getContext("2d");
        context.scale(devicePixelRatio, devicePixelRatio);
        const colours = themeColours();
        drawAxes(context, this.view, { x: columnTitle(this.x), y: columnTitle(this.y) }, colours);
        const at = (index) => (index === null ? null : { x: this.points.xs[index], y: this.points.ys[index] });
        const centre = this.canvas.matches(":focus-visible");
        const marks = { galaxy: at(galaxy), partner: at(partner), place, hover: at(hover), path: this.tools.path, centre };
        drawMarks(context, this.view, marks, colours);
        const shown = [galaxy !== null, partner !== null, Boolean(place)];
        const key = ["○ galaxy shown", "◌ other end of the walk", "+ decoded place"].filter((_, i) => shown[i]);
        this.key.textContent = key.map((text) => ` · ${text}`).join("");
    }

    /** Says in words what the picture shows: below it, and for screen readers. */
    describe(inView) {
        const count = this.app.data.count;
        const all = count.toLocaleString("en");
        const missing = count - this.placed;
        const notes = [`${inView.toLocaleString("en")} of ${all} ${count === 1 ? "galaxy" : "galaxies"} in view`];
        if (missing) notes.push(`${missing.toLocaleString("en")} ${missing === 1 ? "has" : "have"} no value in x or y`);
        this.note.textContent = notes.join(" · ");
        const colour = this.colour ? `coloured by ${this.colour.label}` : "in one colour";
        this.canvas.setAttribute(
            "aria-label",
            `Plane of galaxies: ${columnTitle(this.x)} to the right, ${columnTitle(this.y)} upwards, ${colour}; ` +
                `${notes.join(", ")}. Arrow keys pan, plus and minus zoom, 0 shows all. Enter uses the tool at the centre: it shows the nearest ` +
                "galaxy, decodes, or selects what is in view.",
        );
    }

    /** Zooms by a factor about a place in pixels, else about the centre. */
    zoom(factor, place = [this.view.width / 2, this.view.height / 2]) {
        const least = this.fitted.camera.scale;
        const scale = Math.min(Math.max(this.view.scaleX * factor, least / 4), least * 1e5);
        this.setCamera(this.view.zoomed(scale / this.view.scaleX, ...place));
    }

    zoomIn() {
        this.zoom(ZOOM);
    }

    zoomOut() {
        this.zoom(1 / ZOOM);
    }

    /** Drags the galaxies by pixels. */
    pan(right, down) {
        this.setCamera(this.view.dragged(right, down));
    }

    /** Shows all galaxies. */
    reset() {
        this.setCamera(null);
    }

    setCamera(camera) {
        this.app.store.set({ camera });
        this.view = new View(camera ?? this.fitted.camera, this.fitted.ratio, this.view.width, this.view.height);
    }

    /** Shows a galaxy and moves to it; returns whether it has a place in the plane. */
    goTo(galaxy) {
        const [x, y] = [this.points.xs[galaxy], this.points.ys[galaxy]];
        const placed = Number.isFinite(x) && Number.isFinite(y);
        if (placed) this.setCamera({ x, y, scale: Math.max(this.view.scaleX, 3 * this.fitted.camera.scale) });
        this.show(galaxy);
        return placed;
    }

    show(galaxy) {
        this.app.store.set({ ...galaxyState(this.app, galaxy), tab: "galaxy" });
    }
}
