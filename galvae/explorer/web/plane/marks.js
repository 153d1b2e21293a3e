import { axisTicks } from "./camera.js";
import { fullCircle } from "../sky.js";

/** Margins of the plane in CSS pixels, in which its axes are labelled. */
export const MARGINS = { left: 66, right: 10, top: 8, bottom: 42 };
const [TICK_X, TICK_Y] = [90, 60]; // pixels from one tick to the next, at least
const DIGITS = 6; // that labels of ticks may have before the plane is magnified no more

/** Colours of the page's theme, as its style sheet has them. */
export function themeColours() {
    const style = getComputedStyle(document.documentElement);
    const names = ["ink", "paper", "line", "accent", "muted"];
    return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/**
 * Draws the frame of the plane, its ticks and the names of its axes.
 *
 * @param {CanvasRenderingContext2D} context - of a canvas that has the plane and its margins, in CSS pixels
 * @param {View} view - what is in view
 * @param {{x: string, y: string}} titles - of the axes
 * @param {Object} colours - see `themeColours`
 */
export function drawAxes(context, view, titles, colours) {
    const { left, top } = MARGINS;
    const { width, height } = view;
    const corners = [view.at(0, height), view.at(width, 0)];
    context.font = "12px system-ui, sans-serif";
    context.lineWidth = 1;
    context.strokeStyle = colours.line;
    context.strokeRect(left - 0.5, top - 0.5, width + 1, height + 1);
    context.fillStyle = colours.muted;
    context.beginPath();
    context.textAlign = "center";
    context.textBaseline = "top";
    const [low, high] = corners.map(({ x }) => x).sort((one, other) => one - other);
    for (const { value, text } of axisTicks(low, high, width / TICK_X, view.mirrored ? fullCircle : undefined)) {
        const place = Math.round(left + view.left(value)) + 0.5;
        context.moveTo(place, top + height);
        context.lineTo(place, top + height + 5);
        const half = context.measureText(text).width / 2;
        context.fillText(text, Math.min(Math.max(place, half), left + width + MARGINS.right - half), top + height + 7);
    }
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const { value, text } of axisTicks(corners[0].y, corners[1].y, height / TICK_Y)) {
        const place = Math.round(top + view.top(value)) + 0.5;
        context.moveTo(left, place);
        context.lineTo(left - 5, place);
        context.fillText(text, left - 8, place, left - 26);
    }
    context.stroke();
    context.fillStyle = colours.ink;
    context.textAlign = "center";
    context.textBaseline = "bottom";
    context.fillText(shortened(context, titles.x, width), left + width / 2, top + height + MARGINS.bottom - 2);
    context.save();
    context.translate(14, top + height / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(shortened(context, titles.y, height), 0, 0);
    context.restore();
}

/**
 * The largest scale to which a plane is magnified: as long as a few digits tell ticks apart, and ample magnifications.
 *
 * @param {View} view - what is in view
 * @param {{camera: Object, ratio: number}} fitted - the camera that shows all galaxies
 * @returns {number} pixels per unit of x
 */
export function largestScale({ camera }, fitted) {
    const steps = 10 ** (DIGITS - 1);
    const legible = Math.min((steps * TICK_X) / Math.abs(camera.x), (steps * TICK_Y) / Math.abs(camera.y) / fitted.ratio);
    return fitted.camera.scale * Math.min(1e5, Math.max(100, legible / fitted.camera.scale));
}

/** As much of a text as fits into a width in CSS pixels, with an ellipsis where it ends early. */
function shortened(context, text, width) {
    const fits = (part) => context.measureText(part).width <= width;
    if (text.length <= width && fits(text)) return text;
    const characters = Array.from(text.slice(0, width)); // few are narrower than a pixel
    const start = (count) => `${characters.slice(0, count).join("")}…`;
    let [least, most] = [0, characters.length];
    while (least < most) {
        const middle = Math.ceil((least + most) / 2);
        if (fits(start(middle))) least = middle;
        else most = middle - 1;
    }
    return start(least);
}

/**
 * Draws what lies upon the galaxies: rings, a cross at the decoded place, the line that is being drawn.
 *
 * @param {CanvasRenderingContext2D} context - as for `drawAxes`
 * @param {View} view - what is in view
 * @param {Object} marks - {galaxy, partner, place, hover: {x, y} or null each, path: [left, top][], centre: boolean}
 * @param {Object} colours - see `themeColours`
 */
export function drawMarks(context, view, marks, colours) {
    context.save();
    context.translate(MARGINS.left, MARGINS.top);
    context.beginPath();
    context.rect(0, 0, view.width, view.height);
    context.clip();
    const stroke = (colour, width, dash = []) => {
        context.setLineDash(dash);
        for (const [style, thick] of [[colours.paper, width + 3], [colour, width]]) {
            context.strokeStyle = style;
            context.lineWidth = thick;
            context.stroke();
        }
    };
    const ring = (point, radius, colour, width, dash) => {
        if (!point) return;
        context.beginPath();
        context.arc(view.left(point.x), view.top(point.y), radius, 0, 2 * Math.PI);
        stroke(colour, width, dash);
    };
    const cross = (left, top, size, colour, width) => {
        context.beginPath();
        context.moveTo(left - size, top);
        context.lineTo(left + size, top);
        context.moveTo(left, top - size);
        context.lineTo(left, top + size);
        stroke(colour, width);
    };
    ring(marks.partner, 8, colours.ink, 2, [4, 3]);
    ring(marks.galaxy, 8, colours.ink, 2);
    if (marks.place) cross(view.left(marks.place.x), view.top(marks.place.y), 9, colours.ink, 2);
    ring(marks.hover, 6, colours.accent, 1.5);
    if (marks.centre) cross(view.width / 2, view.height / 2, 7, colours.accent, 1);
    if (marks.path.length > 1) {
        context.beginPath();
        marks.path.forEach(([left, top]) => context.lineTo(left, top));
        context.closePath();
        context.globalAlpha = 0.12;
        context.fillStyle = colours.accent;
        context.fill();
        context.globalAlpha = 1;
        stroke(colours.accent, 1.5);
    }
    context.restore();
}
