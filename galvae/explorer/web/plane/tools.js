import { latentSymbol } from "../galaxy/latent_names.js";
import { followPointers } from "./gestures.js";
import { nearestPoint, pointsInside } from "./picking.js";
import { NEIGHBOURS, placeOrigin } from "../states.js";
import { countText, numberText } from "../texts.js";
import { Tooltip } from "./tooltip.js";

const NEAR = 12; // CSS pixels up to which the pointer is on a galaxy
const STEP = 60; // CSS pixels by which an arrow key pans

/** What pointers and keys do on the plane, by the chosen tool: pan, rectangle, lasso or decode. */
export class Tools {
    /** @param {Plane} plane */
    constructor(plane) {
        this.plane = plane;
        this.app = plane.app;
        this.store = plane.app.store;
        this.tooltip = new Tooltip(plane.app);
        this.path = []; // of the rectangle or lasso that is being drawn, in pixels
        this.store.on(["tool"], ({ tool }) => {
            plane.canvas.dataset.tool = tool;
            this.cancel();
        });
        plane.canvas.dataset.tool = this.store.get().tool;
        // What a sentence says is true only until something else is shown or selected.
        this.store.on(["origin", "galaxy", "selection"], () => document.documentElement.dataset.ready && this.app.say(""));
        this.store.on(["camera"], () => this.hover(null));
        plane.canvas.addEventListener("keydown", (event) => this.key(event));
        followPointers(plane.canvas, {
            hover: (place) => this.hover(place),
            leave: () => this.hover(null),
            begin: (place) => this.begin(place),
            drag: (place, before) => this.drag(place, before),
            end: () => this.end(),
            cancel: () => this.cancel(),
            click: (place) => this.click(place),
            zoom: (factor, place) => plane.zoom(factor, place),
            pan: (right, down) => plane.pan(right, down),
        });
    }

    /** The galaxy near a place in pixels, or null. */
    near(place, most = NEAR) {
        return nearestPoint(this.plane.pickable, this.plane.view, ...place, most);
    }

    /** Tells about the galaxy under the pointer. */
    hover(place) {
        const galaxy = place ? this.near(place) : null;
        this.store.set({ hover: galaxy });
        this.plane.canvas.classList.toggle("on-galaxy", galaxy !== null && this.store.get().tool !== "decode");
        const box = this.plane.canvas.getBoundingClientRect();
        const [left, top] = place ?? [0, 0];
        this.tooltip.show(galaxy, box.left + left, box.top + top, this.plane.tooltipColumns);
    }

    begin(place) {
        this.hover(null);
        this.path = [place];
    }

    drag(place, before) {
        const { tool } = this.store.get();
        if (tool === "pan") return this.plane.pan(place[0] - before[0], place[1] - before[1]);
        if (tool === "decode") {
            this.path = [place];
            if (this.app.decoding?.live) this.decode(place);
            return;
        }
        if (!this.path.length) return; // cancelled by Escape
        if (tool === "lasso") this.path.push(place);
        else {
            const [left, top] = this.path[0];
            this.path = [[left, top], [place[0], top], place, [left, place[1]]];
        }
        this.plane.redrawMarks();
    }

    end() {
        const { tool } = this.store.get();
        const path = this.path;
        this.cancel();
        if (!path.length) return;
        if (tool === "decode") this.decode(path[0], true);
        else if (tool !== "pan") this.select(path);
    }

    cancel() {
        this.path = [];
        this.plane.redrawMarks();
    }

    click(place) {
        const { tool } = this.store.get();
        const galaxy = tool === "decode" ? null : this.near(place);
        if (galaxy !== null) this.plane.show(galaxy);
        else if (tool === "pan" || tool === "decode") this.decode(place, true);
    }

    /** Selects the galaxies inside a polygon of pixels. */
    select(corners) {
        const selection = corners.length > 2 ? pointsInside(this.plane.pickable, this.plane.view, corners) : [];
        if (!selection.length) return this.app.say("No galaxy lies inside, so the selection stays as it was.");
        this.store.set({ selection, tab: "selection" });
        const among = this.store.get().highlight ? " of the highlighted classes" : "";
        this.app.say(`${countText(selection.length, "galaxy")}${among} selected.`);
    }

    /** Decodes the code of a place in pixels; at the end of a gesture, says how far it is from real galaxies. */
    decode(place, final = false) {
        const { latent, decoder, store } = this.app;
        if (latent === undefined || decoder === undefined) return final && this.app.say("The decoder is still being read.");
        if (!latent || !decoder) return final && this.app.say("This page holds no decoder, so an empty place shows nothing.");
        const { view, points } = this.plane;
        const { x, y } = view.at(...place);
        const decoded = latent.at(x, y, points.xs, points.ys, NEIGHBOURS, [view.scaleX, view.scaleY]);
        if (!decoded) return;
        const { code, condition, neighbours } = decoded;
        const axes = [[this.plane.x, x], [this.plane.y, y]].filter(([{ origin }]) => origin === "latent");
        for (const [{ axis }, value] of axes) code[axis] = value;
        store.set({ code, condition, origin: placeOrigin(this.app, { x, y }), place: { x, y }, tab: "galaxy" });
        if (!final) return;
        const closest = latent.closest(code);
        const count = neighbours.length;
        const around = count === 1 ? "The code of the only galaxy" : `The mean code of the ${count} galaxies around this place`;
        const mean = around + (axes.length ? `, with the place's own ${axes.map(([{ axis }]) => latentSymbol(axis)).join(" and ")}` : "");
        const far = closest.far ? ", farther than 99 % of real galaxies are from their nearest" : "";
        const id = this.app.ids[closest.galaxy];
        this.app.say(`${mean}. The nearest real code, of galaxy ${id}, is ${numberText(closest.distance, 3)} away${far}.`);
    }

    key(event) {
        const { plane } = this;
        const { width, height } = plane.view;
        const actions = {
            ArrowLeft: () => plane.pan(STEP, 0),
            ArrowRight: () => plane.pan(-STEP, 0),
            ArrowUp: () => plane.pan(0, STEP),
            ArrowDown: () => plane.pan(0, -STEP),
            "+": () => plane.zoomIn(),
            "=": () => plane.zoomIn(),
            "-": () => plane.zoomOut(),
            "0": () => plane.reset(),
            Escape: () => this.cancel(),
            Enter: () => {
                const { tool } = this.store.get();
                const centre = [width / 2, height / 2];
                if (tool === "rectangle" || tool === "lasso") this.select([[0, 0], [width, 0], [width, height], [0, height]]);
                else if (tool === "decode") this.decode(centre, true);
                else if (this.near(centre, Infinity) !== null) plane.show(this.near(centre, Infinity));
            },
        };
        if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(actions, event.key)) return;
        event.preventDefault();
        actions[event.key]();
    }
}
