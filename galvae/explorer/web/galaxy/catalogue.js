import { make } from "../elements.js";
import { galaxyLinks } from "../selection/links.js";

const ROWS_SHOWN = 8;
const UNKNOWN = "–";
const ORDER = ["class", "condition", "catalogue", "measured", "split", "umap"]; // origins of columns

/**
 * A number as a table shows it: whole numbers in full, others with four digits.
 *
 * @param {number} value
 * @returns {string} a dash where it is not finite
 */
export function numberText(value) {
    if (!Number.isFinite(value)) return UNKNOWN;
    if (Number.isInteger(value)) return String(value).replace("-", "−");
    const text = Math.abs(value) >= 1e-3 && Math.abs(value) < 1e6 ? String(Number(value.toPrecision(4))) : value.toExponential(3);
    return text.replaceAll("-", "−").replace("e+", "e");
}

/**
 * What a column says about a galaxy.
 *
 * @param {Object} column - its entry of the manifest with `values`
 * @param {number} galaxy
 * @param {boolean} exact - whether more digits are shown, as for RA and Dec
 * @returns {string} a dash where it is unknown
 */
function columnText(column, galaxy, exact) {
    const value = column.values[galaxy];
    if (column.kind === "class") return column.classes[value] ?? UNKNOWN;
    if (column.kind === "text") return value || UNKNOWN;
    if (exact && Number.isFinite(value)) return value.toFixed(5).replace("-", "−");
    return numberText(value);
}

/**
 * The catalogue's row of the galaxy that is shown, with links to what others know of it.
 *
 * @param {HTMLElement} element
 * @param {Object} app
 */
export function mountCatalogue(element, app) {
    const { manifest } = app.data;
    const shown = ORDER.flatMap((origin) => manifest.columns.filter((column) => column.origin === origin));
    const list = make("dl", { className: "columns" });
    const more = make("button", { type: "button", className: "link", hidden: shown.length <= ROWS_SHOWN });
    const links = make("div", { className: "links" });
    const places = [manifest.ra, manifest.dec];
    let all = false;
    more.onclick = () => {
        all = !all;
        update();
    };

    async function update() {
        const { galaxy } = app.store.get();
        element.hidden = galaxy === null || !shown.length;
        if (element.hidden) return;
        const columns = await Promise.all((all ? shown : shown.slice(0, ROWS_SHOWN)).map((column) => app.data.column(column.name)));
        if (galaxy !== app.store.get().galaxy) return;
        list.replaceChildren(...columns.map((column) => {
            const [name, text] = [column.label || column.name, columnText(column, galaxy, places.includes(column.name))];
            const unit = column.unit && text !== UNKNOWN ? ` ${column.unit}` : "";
            return make("div", { title: `${name}: ${text}${unit}` }, make("dt", {}, name), make("dd", {}, text,
                make("small", {}, unit)));
        }));
        more.textContent = all ? "Fewer columns" : `All ${shown.length} columns`;
        more.setAttribute("aria-expanded", String(all));
        const linked = manifest.ra && manifest.dec ? await galaxyLinks(app, galaxy) : null;
        if (galaxy === app.store.get().galaxy) links.replaceChildren(...(linked ? [linked] : []));
    }

    element.append(make("h3", {}, "Catalogue"), list, more, links);
    app.store.on(["galaxy"], update);
    update();
}
