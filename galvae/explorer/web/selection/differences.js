import { classCounts, classDistance, evenSample, finiteSorted, ksDistance } from "./comparison.js";
import { make } from "../elements.js";
import { counts, drawHistogram } from "../histogram.js";
import { Slices } from "../idle.js";
import { quantile } from "../quantiles.js";
import { columnTitle, numberText } from "../texts.js";

const MOST_SHOWN = 6;
const MOST_BINS = 32;
const CLASSES_SHOWN = 8;
const SAMPLE = 20_000; // galaxies by which columns are ranked
const OUTER = 0.005; // quantiles between which histograms are drawn
const CROWDED = 0.15; // share of the range in which half of all values lie

/**
 * Columns of the selected galaxies beside those of all: that of the colour, then those that differ most.
 *
 * Columns that are the plane's axes, and latents, differ in a region of the plane anyway: they are shown when chosen,
 * or where there is nothing else.
 *
 * @param {HTMLElement} element
 * @param {Object} app
 * @param {Int32Array} allGalaxies - (N,) all galaxies
 * @returns {function(Int32Array|null): Promise<void>} shows galaxies, one or more; null ends what is under way
 */
export function mountDifferences(element, app, allGalaxies) {
    const { data, store } = app;
    const entries = data.manifest.columns.filter((column) => column.kind !== "text");
    const grid = make("div", { className: "differences" });
    const choose = make("select", { title: "Shows the histogram of another column first" });
    choose.append(
        make("option", { value: "" }, "Add a column"),
        ...entries.map((column) => make("option", { value: column.name }, columnTitle(column))),
    );
    element.append(make("h3", {}, "Selected (coloured) and all galaxies (grey)"), grid, choose);
    const ofAll = new Map(); // name -> what `distributionOf` says about all galaxies
    const added = [];
    const slices = new Slices();
    let latest = null; // the galaxies that are shown

    async function show(galaxies) {
        const goOn = slices.begin();
        latest = galaxies;
        if (galaxies === null) return;
        const { colour, x, y } = store.get();
        const rest = entries.filter(({ name }) => name !== colour && !added.includes(name));
        const follows = ({ name, origin }) => ["latent", "umap"].includes(origin) || name === x || name === y;
        const named = (name) => entries.find((column) => column.name === name);
        const columns = [...new Set([...added, colour])].map(named).filter(Boolean);
        for (const candidates of [rest.filter((column) => !follows(column)), rest.filter(follows)]) {
            if (columns.length >= MOST_SHOWN) break;
            const ranked = await byDistance(data, candidates, galaxies, allGalaxies, goOn);
            if (ranked === null) return;
            columns.push(...ranked.slice(0, MOST_SHOWN - columns.length));
        }
        const figures = [];
        for (const { name } of columns) {
            const column = await data.column(name);
            if (!ofAll.has(name)) ofAll.set(name, distributionOf(column, allGalaxies));
            if (!(await goOn())) return;
            const selected = distributionOf(column, galaxies);
            const onSky = [data.manifest.ra, data.manifest.dec].includes(name);
            const draw = column.kind === "class" ? classBars : histogram;
            figures.push(draw(column, selected, ofAll.get(name), galaxies, onSky));
            if (!(await goOn())) return;
        }
        grid.replaceChildren(...figures);
        element.hidden = false; // as it is after an error
        redraw();
    }

    const redraw = () => grid.querySelectorAll("canvas").forEach((canvas) => canvas.redraw());
    const again = () => show(latest).catch((error) => app.say(error.message, true));
    choose.addEventListener("change", () => {
        if (choose.value && !added.includes(choose.value)) added.unshift(choose.value);
        choose.value = "";
        again();
    });
    store.on(["x", "y", "colour"], again);
    store.on(["theme"], redraw);
    new ResizeObserver(redraw).observe(grid);
    return show;
}

/** Those columns that tell the galaxies from all, most different first; null if the work was ended. */
async function byDistance(data, columns, galaxies, allGalaxies, goOn) {
    const measured = [];
    for (const entry of columns) {
        const column = await data.column(entry.name);
        // Of samples, so that 300,000 galaxies need not be sorted by every column to choose six.
        const [some, all] = [galaxies, allGalaxies].map((rows) => distributionOf(column, evenSample(rows, SAMPLE)));
        measured.push({ entry, distance: distanceOf(column, some, all) });
        if (!(await goOn())) return null;
    }
    return measured
        .filter(({ distance }) => Number.isFinite(distance))
        .sort((one, other) => other.distance - one.distance)
        .map(({ entry }) => entry);
}

/** Counts of the classes of some galaxies, or their finite values in ascending order. */
function distributionOf({ kind, values, classes }, galaxies) {
    return kind === "class" ? classCounts(values, classes.length, galaxies) : finiteSorted(values, galaxies);
}

function distanceOf({ kind }, selected, all) {
    return kind === "class" ? classDistance(selected, all) : ksDistance(selected, all);
}

/** The histogram of a column of numbers; over their logarithms if most are crowded at the lower end, and no positions. */
function histogram(column, selected, all, galaxies, onSky) {
    const [low, middle, high] = [OUTER, 0.5, 1 - OUTER].map((share) => quantile(all, share));
    const isLog = !onSky && low > 0 && middle - low < CROWDED * (high - low);
    const bins = Math.min(MOST_BINS, Math.max(8, Math.round(1.5 * Math.sqrt(selected.length)))); // few of few galaxies
    const place = isLog ? Math.log : (value) => value;
    const count = (values) => counts(isLog ? Float64Array.from(values, place) : values, place(low), place(high), bins);
    const [counted, over] = [count(all), count(selected)];
    const canvas = make("canvas", { role: "img", "aria-label": `Histogram of ${column.label || column.name}` });
    canvas.redraw = () => drawHistogram(canvas, counted, { over });
    const unknown = galaxies.length - selected.length;
    const notes = [isLog ? "log" : "", unknown ? `${unknown.toLocaleString("en")} unknown` : ""].filter(Boolean);
    const meaning = "Kolmogorov-Smirnov distance of the two distributions";
    const figure = panel(column, distanceOf(column, selected, all), "KS", meaning);
    figure.append(
        canvas,
        make("div", { className: "ends" },
            ...[numberText(low, 3), notes.join(", "), numberText(high, 3)].map((text) => make("small", {}, text))),
        make("small", {}, "median ", make("b", {}, numberText(quantile(selected, 0.5), 3)), `, all ${numberText(middle, 3)}`),
    );
    return figure;
}

/** The shares of a column's classes as bars, the selected galaxies' over those of all. */
function classBars(column, selected, all, galaxies) {
    const { classes } = column;
    const total = (counted) => counted.reduce((sum, count) => sum + count, 0);
    const [ofAll, ofSelected] = [total(all) || 1, total(selected)];
    const share = (i) => [all[i] / ofAll, ofSelected ? selected[i] / ofSelected : 0];
    const order = classes.map((_, i) => i).sort((i, j) => selected[j] - selected[i] || all[j] - all[i]);
    const largest = Math.max(...classes.flatMap((_, i) => share(i)), 1e-9);
    const meaning = "Total variation distance: half the sum of the differences of the shares";
    const figure = panel(column, distanceOf(column, selected, all), "TV", meaning);
    figure.classList.add("wide");
    for (const i of order.slice(0, CLASSES_SHOWN)) {
        const bar = make("span", { className: "share" }, make("span"), make("span"));
        share(i).forEach((part, k) => (bar.children[k].style.width = `${(100 * part) / largest}%`));
        const [inAll, inSelected] = share(i).map((part) => `${(100 * part).toFixed(0)} %`);
        const [some, every] = [selected[i], all[i]].map((count) => count.toLocaleString("en"));
        const title = `${classes[i]}: ${some} of ${every} galaxies are selected`;
        figure.append(make("div", { className: "class-row", title },
            make("span", { className: "name" }, classes[i]), bar, make("small", {}, `${inSelected}, all ${inAll}`)));
    }
    const unlabelled = galaxies.length - ofSelected;
    const notes = [
        order.length > CLASSES_SHOWN ? `and ${order.length - CLASSES_SHOWN} more classes` : "",
        unlabelled ? `${unlabelled.toLocaleString("en")} unlabelled` : "",
    ].filter(Boolean);
    if (notes.length) figure.append(make("small", {}, notes.join(", ")));
    return figure;
}

/** The frame of a column with its name, and how different the selected galaxies are, from 0 to 1. */
function panel(column, distance, kind, meaning) {
    const title = columnTitle(column);
    const value = Number.isFinite(distance) ? `${kind} ${distance.toFixed(2)}` : "";
    const caption = make("figcaption", {}, make("span", { title }, title), make("small", { title: meaning }, value));
    return make("figure", {}, caption);
}
