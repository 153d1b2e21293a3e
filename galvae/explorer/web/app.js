import { openData } from "./data/blocks.js";
import { LatentSpace } from "./latent/codes.js";
import { Decoder } from "./latent/decoder.js";
import { mountFragment } from "./fragment.js";
import { mountInspector } from "./galaxy/inspector.js";
import { mountLegend } from "./plane/legend.js";
import { Noise } from "./latent/noise.js";
import { mountPlane } from "./plane/plane.js";
import { PriorSampler } from "./latent/prior.js";
import { mountSearch } from "./plane/search.js";
import { mountSelection } from "./selection/selection.js";
import { createStore } from "./store.js";
import { countText, readable } from "./texts.js";
import { isDark } from "./theme.js";
import { mountToolbar } from "./plane/toolbar.js";

/**
 * Opens the page: the plane is drawn first, then codes, decoder and prior are read and the side panel is filled.
 *
 * The attribute data-drawn of <html> is set with the first picture, data-ready when all parts of the page work.
 *
 * @returns {Promise<Object>} the app: {data, store, latent, decoder, prior, noise, plane, say}
 */
export async function openPage() {
    const data = await openData();
    const manifest = data.manifest;
    const app = { data, store: createStore(firstState(manifest)), say };
    app.ids = await data.array(manifest.ids);
    app.palette = await data.array("palette.image");
    mountFrame(app);
    mountToolbar(part("toolbar"), app);
    mountLegend(part("legend"), app);
    await mountPlane(part("plane"), app);
    mountSearch(part("search"), app);
    say("");
    document.documentElement.dataset.drawn = "true";

    app.latent = manifest.arrays.codes ? await latentSpace(data) : null;
    app.decoder = manifest.decoder && new Decoder(manifest.decoder, await arraysOf(data, "decoder."));
    app.prior = manifest.prior && new PriorSampler(manifest.prior, await arraysOf(data, "prior."));
    app.noise = manifest.noise && new Noise(manifest.noise, await arraysOf(data, "noise."));
    await mountInspector(part("inspector"), app);
    await mountSelection(part("selection"), app);
    await mountFragment(app);
    document.documentElement.dataset.ready = "true";
    return app;
}

/** The state in which a page opens, from its manifest. */
function firstState(manifest) {
    const numbers = manifest.columns.filter((column) => column.kind === "number").map((column) => column.name);
    const plane = manifest.planes[0] ?? { x: numbers[0], y: numbers[1] ?? numbers[0] };
    return {
        x: plane.x, y: plane.y, colour: manifest.colour, highlight: null, camera: null, tool: "pan",
        galaxy: null, partner: null, code: null, condition: null, origin: "", place: null,
        noise: false, noiseSeed: 1, draw: null, step: null, selection: null, hover: null, theme: null, tab: "galaxy",
    };
}

/** The codes of all galaxies, and their conditions if the model has some. */
async function latentSpace(data) {
    const { conditions, latents, latent_dim: dim, far } = data.manifest;
    const condition = conditions ? await data.array("condition") : null;
    return new LatentSpace(await data.array("codes"), dim, condition, condition ? condition.length / data.count : 0, far, {
        classes: conditions?.classes.length ?? 0,
        spherical: latents[0]?.unit === "nats", // with a KL term, see galvae/latent/information.py
    });
}

/** Typed arrays by their full name, of all arrays whose name begins with `prefix`. */
async function arraysOf(data, prefix) {
    const names = Object.keys(data.manifest.arrays).filter((name) => name.startsWith(prefix));
    const arrays = await Promise.all(names.map((name) => data.array(name)));
    return Object.fromEntries(names.map((name, i) => [name, arrays[i]]));
}

/** Title, tabs and themes. */
function mountFrame({ data, store }) {
    const { title, run, count, version, decoder } = data.manifest;
    part("purpose").textContent = decoder
        ? "Each point is a galaxy. Click one to see it, click between them to decode what would be there."
        : "Each point is a galaxy. Click one to see it.";
    document.title = readable(title);
    part("title").textContent = part("title").title = readable(title);
    part("run").textContent = readable(`${countText(count, "galaxy")} · ${run}`);
    part("run").title = readable(`${run}, made by galvae ${version}`);

    const tabs = [["galaxy", part("tab-galaxy"), part("inspector")], ["selection", part("tab-selection"), part("selection")]];
    const showTab = ({ tab }) => {
        for (const [name, button, panel] of tabs) {
            button.setAttribute("aria-selected", String(name === tab));
            button.tabIndex = name === tab ? 0 : -1;
            panel.hidden = name !== tab;
        }
    };
    for (const [name, button] of tabs) button.addEventListener("click", () => store.set({ tab: name }));
    part("tabs").addEventListener("keydown", (event) => {
        if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
        const other = tabs.find(([name]) => name !== store.get().tab);
        store.set({ tab: other[0] });
        other[1].focus();
    });
    store.on(["tab"], showTab);
    showTab(store.get());

    const preference = matchMedia("(prefers-color-scheme: dark)");
    const showTheme = ({ theme }) => {
        if (theme) document.documentElement.dataset.theme = theme;
        else delete document.documentElement.dataset.theme;
        part("theme").textContent = isDark(theme) ? "Light theme" : "Dark theme";
    };
    part("theme").addEventListener("click", () => {
        store.set({ theme: isDark(store.get().theme) ? "light" : "dark" });
    });
    preference.addEventListener("change", () => showTheme(store.get()));
    store.on(["theme"], showTheme);
    showTheme(store.get());
}

/** Writes a sentence below the plane, where screen readers read it out. */
function say(text, isError = false) {
    part("message").textContent = readable(text);
    part("message").classList.toggle("error", isError);
}

function part(id) {
    return document.getElementById(id);
}

// What goes wrong later too, such as data that are read when a column is chosen, or in what follows a click. Browsers
// tell of some things in this way that are no errors.
window.addEventListener("unhandledrejection", ({ reason }) => say(reason?.message ?? String(reason), true));
window.addEventListener("error", ({ error }) => error && say(error.message ?? String(error), true));
openPage().then((app) => {
    window.explorer = app; // for the curious, in the browser's console
});
