import { View, fittedCamera } from "./camera.js";
import { colouringBy, rgbOfHex } from "./colour_scale.js";
import { Density } from "./density.js";
import { make } from "../elements.js";
import { MARGINS, drawAxes, drawMarks, largestScale, themeColours } from "./marks.js";
import { skyRatio, unwrapped } from "../sky.js";
import { quantiles } from "../quantiles.js";
import { galaxyState } from "../states.js";
import { columnTitle, countText } from "../texts.js";
import { isDark } from "../theme.js";
import { Tools } from "./tools.js";

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
        this.tools = null; // until there is something to point at
        this.follow(plot);
    }

    /** Listens to the page's state, to the window and to the theme. */
    follow(plot) {
        const { store } = this.app;
        store.on(["x", "y", "colour"], (state, changed) => {
            const moved = changed.has("x") || changed.has("y");
            if (moved && !changed.has("camera")) store.set({ camera: null });
            if (moved && !changed.has("place")) store.set({ place: null });
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
        const described = data.manifest.columns.filter(({ origin, name }) =>
            origin === "class" || origin === "condition" || /^(redshift|z)$/i.test(name));
        const names = [x, y, colour, ...described.slice(0, 3).map(({ name }) => name)];
        const read = await Promise.all(names.map((name) => name && this.column(name)));
        const classes = read[2]?.classes?.length;
        const palettes = {
            values: await data.array("palette.values"),
            classes: classes ? await data.array(`palette.classes.${classes}`) : null,
            unknown: await data.array("palette.unknown"),
        };
        if (load !== this.loads) return; // other columns were chosen meanwhile
        this.palettes = palettes;
        [this.x, this.y, this.colour] = read;
        const { ra, dec } = data.manifest;
        if (x === ra) this.x = { ...this.x, values: this.unwrapped ??= unwrapped(this.x.values) };
        this.isSky = x === ra && y === dec;
        this.tooltipColumns = [...new Set([...read.slice(3), this.colour])].filter(Boolean);
        this.titles = axisTitles(this.x, this.y, data.manifest);
        const [xs, ys] = [this.x.values, this.y.values];
        this.points = { xs, ys, faint: null };
        this.placed = xs.reduce((count, value, i) => count + Number.isFinite(value) * Number.isFinite(ys[i]), 0);
        this.recolour();
        this.tools ??= new Tools(this);
    }

    recolour() {
        if (!this.points) return;
        const { store, data } = this.app;
        const before = this.colouring?.column?.name;
        this.colouring = colouringBy(this.colour, this.palettes, isDark(store.get().theme), data.count);
        store.set({ colouring: this.colouring });
        // Classes of another column may have been highlighted until now, by the legend that was there.
        if (this.colour?.name !== before) store.set({ highlight: null });
        this.setFaint();
        this.draw();
    }

    /** Marks as faint what is not in the highlighted classes, which is not picked either, or not selected. */
    setFaint() {
        if (!this.points) return;
        const { selection, highlight } = this.app.store.get();
        const { levels, unknown } = this.colouring;
        const highlighted = highlight && new Set(highlight);
        const hidden = highlighted && Uint8Array.from(levels, (level) => !highlighted.has(level));
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
        const [x, y] = [this.range(this.x), this.range(this.y)];
        const isEmbedding = this.x.origin === "umap" && this.y.origin === "umap";
        this.fitted = fittedCamera(x, y, width, height, this.isSky ? skyRatio(y) : isEmbedding ? 1 : null);
        const camera = this.app.store.get().camera ?? this.fitted.camera;
        this.view = new View(camera, this.fitted.ratio, width, height, this.x.name === this.app.data.manifest.ra);
    }

    /** The range of a column that is shown at first: all, but for outliers. */
    range({ name, values }) {
        if (!this.ranges.has(name)) {
            const [least, low, high, most] = quantiles(values, [0, 0.005, 0.995, 1]);
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
        drawAxes(context, this.view, this.titles, colours);
        const at = (index) => (index === null ? null : { x: this.points.xs[index], y: this.points.ys[index] });
        const centre = this.canvas.matches(":focus-visible");
        const marks = { galaxy: at(galaxy), partner: at(partner), place, hover: at(hover), path: this.tools?.path ?? [], centre };
        drawMarks(context, this.view, marks, colours);
        const drawn = [galaxy !== null, partner !== null, Boolean(place)];
        const key = ["○ galaxy shown", "◌ other end of the walk", "+ decoded place"].filter((_, i) => drawn[i]);
        this.key.textContent = key.map((text) => ` · ${text}`).join("");
    }

    /** Says in words what the picture shows: below it, and for screen readers. */
    describe(inView) {
        const count = this.app.data.count;
        const missing = count - this.placed;
        const notes = [`${inView.toLocaleString("en")} of ${countText(count, "galaxy")} in view`];
        if (missing) notes.push(`${missing.toLocaleString("en")} ${missing === 1 ? "has" : "have"} no value in x or y`);
        this.note.textContent = notes.join(" · ");
        const colour = this.colour ? `coloured by ${columnTitle(this.colour)}` : "in one colour";
        this.canvas.setAttribute(
            "aria-label",
            `Plane of galaxies: ${this.titles.x} to the ${this.view.mirrored ? "left" : "right"}, ${this.titles.y} upwards, ${colour}; ` +
                `${notes.join(", ")}. Arrow keys pan, plus and minus zoom, 0 shows all. Enter uses the tool at the centre: it shows the nearest ` +
                "galaxy, decodes, or selects what is in view.",
        );
    }

    /** Zooms by a factor about a place in pixels, else about the centre; nothing while nothing is drawn. */
    zoom(factor, place = null) {
        if (!this.view) return;
        const { camera, width, height } = this.view;
        const least = this.fitted.camera.scale;
        const scale = Math.min(Math.max(camera.scale * factor, least / 4), largestScale(this.view, this.fitted));
        this.setCamera(this.view.zoomed(scale / camera.scale, ...(place ?? [width / 2, height / 2])));
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
        if (this.view) this.setCamera(null);
    }

    setCamera(camera) {
        this.app.store.set({ camera });
        const { width, height, mirrored } = this.view;
        this.view = new View(camera ?? this.fitted.camera, this.fitted.ratio, width, height, mirrored);
    }

    /** Shows a galaxy and moves to it; returns whether it has a place in the plane. */
    goTo(galaxy) {
        const [x, y] = [this.points.xs[galaxy], this.points.ys[galaxy]];
        const placed = Number.isFinite(x) && Number.isFinite(y);
        if (placed) this.setCamera({ x, y, scale: Math.max(this.view.camera.scale, 3 * this.fitted.camera.scale) });
        this.show(galaxy);
        return placed;
    }

    show(galaxy) {
        this.app.store.set({ ...galaxyState(this.app, galaxy), tab: "galaxy" });
    }
}

/** The titles of both axes; right ascension and declination are in degrees, whatever their unit says. */
function axisTitles(x, y, { ra, dec }) {
    const title = (column, more) => {
        const isPosition = column.name === ra || column.name === dec;
        return columnTitle(isPosition ? { ...column, unit: `deg${more}` } : column);
    };
    return { x: title(x, x.name === ra ? ", east to the left" : ""), y: title(y, "") };
}
