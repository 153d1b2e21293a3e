import { make } from "../elements.js";
import { galaxyLinks } from "./links.js";
import { readable, valueText } from "../texts.js";

const ROWS_SHOWN = 8;
const ORDER = ["class", "condition", "catalogue", "measured", "split", "umap"]; // origins of columns

/**
 * The catalogue's row of the galaxy that is shown, with links to what others know of it.
 *
 * @param {HTMLElement} element
 * @param {Object} app
 */
export function mountCatalogue(element, app) {
    const { manifest } = app.data;
    const listed = ORDER.flatMap((origin) => manifest.columns.filter((column) => column.origin === origin));
    const title = make("h3");
    const list = make("dl", { className: "columns" });
    const more = make("button", { type: "button", className: "link", hidden: listed.length <= ROWS_SHOWN });
    const links = make("div", { className: "links" });
    const places = [manifest.ra, manifest.dec];
    let all = false;
    let requests = 0;
    more.onclick = () => {
        all = !all;
        update();
    };

    async function update() {
        const { galaxy } = app.store.get();
        const request = ++requests;
        element.hidden = galaxy === null || !listed.length;
        if (element.hidden) return;
        const columns = await Promise.all((all ? listed : listed.slice(0, ROWS_SHOWN)).map((column) => app.data.column(column.name)));
        if (request !== requests) return; // another galaxy, or more or fewer columns, were asked for meanwhile
        title.textContent = readable(`Catalogue of ${app.ids[galaxy]}`);
        list.replaceChildren(...columns.map((column) => {
            const name = column.label || column.name;
            const { text, unit } = valueText(column, galaxy, places.includes(column.name));
            return make("div", { title: `${name}: ${text} ${unit}`.trim() }, make("dt", {}, name),
                make("dd", {}, text, make("small", {}, unit && ` ${unit}`)));
        }));
        more.textContent = all ? "Fewer columns" : `All ${listed.length} columns`;
        more.setAttribute("aria-expanded", String(all));
        links.replaceChildren(...(manifest.ra && manifest.dec ? [galaxyLinks(app, galaxy)] : []));
    }

    element.append(title, list, more, links);
    app.store.on(["galaxy"], update);
    update();
}
