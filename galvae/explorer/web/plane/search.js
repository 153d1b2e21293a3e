import { make } from "../elements.js";

const MOST = 20; // results in the list

/**
 * Positions of the galaxies whose ids match a text: the exact id first, then those that begin with it, then those
 * that contain it, each in the order of the galaxies; capitals do not matter.
 *
 * @param {string[]} ids - of all galaxies
 * @param {string} text - what was typed
 * @param {number} most - how many at most
 * @returns {number[]} positions
 */
export function matchingIds(ids, text, most) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return [];
    const byRank = [[], [], []];
    for (let i = 0; i < ids.length; i++) {
        const id = ids[i].toLowerCase();
        const place = id.indexOf(wanted);
        if (place < 0) continue;
        const rank = place > 0 ? 2 : id.length === wanted.length ? 0 : 1;
        if (byRank[rank].length < most) byRank[rank].push(i);
    }
    return byRank.flat().slice(0, most);
}

/**
 * Puts a search by id into a form: a list while typing, and Enter goes to the first galaxy or to the chosen one.
 *
 * @param {HTMLFormElement} form
 * @param {Object} app
 */
export function mountSearch(form, app) {
    const list = make("ul", { id: "matches", role: "listbox", "aria-label": "Galaxies found", hidden: true });
    const input = make("input", {
        type: "search", placeholder: "Search by id", "aria-label": "Search a galaxy by its id", autocomplete: "off",
        spellcheck: false, role: "combobox", "aria-expanded": "false", "aria-controls": "matches", "aria-autocomplete": "list",
    });
    let matches = [];
    let chosen = -1;

    const close = () => {
        list.hidden = true;
        input.setAttribute("aria-expanded", "false");
        input.removeAttribute("aria-activedescendant");
        chosen = -1;
    };
    const choose = (place) => {
        chosen = place;
        [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === chosen)));
        if (chosen >= 0) {
            input.setAttribute("aria-activedescendant", `match-${chosen}`);
            list.children[chosen].scrollIntoView({ block: "nearest" });
        } else input.removeAttribute("aria-activedescendant");
    };
    const go = (galaxy) => {
        input.value = app.ids[galaxy];
        close();
        const placed = app.plane.goTo(galaxy);
        app.say(`Galaxy ${app.ids[galaxy]}${placed ? "" : " has no place in this plane: its x or y is unknown"}.`);
    };
    input.addEventListener("input", () => {
        matches = matchingIds(app.ids, input.value, MOST);
        list.replaceChildren(...matches.map((galaxy, i) => make(
            "li",
            { id: `match-${i}`, role: "option", textContent: app.ids[galaxy], onpointerdown: (event) => {
                event.preventDefault(); // the input keeps the focus, and the list stays open until it is used
                go(galaxy);
            } },
        )));
        choose(-1);
        list.hidden = !matches.length;
        input.setAttribute("aria-expanded", String(matches.length > 0));
    });
    input.addEventListener("keydown", (event) => {
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (event.key === "Escape") close();
        if (!step || list.hidden) return;
        event.preventDefault();
        choose((chosen + step + matches.length + (chosen < 0 && step < 0 ? 1 : 0)) % matches.length);
    });
    input.addEventListener("blur", close);
    form.addEventListener("submit", (event) => {
        event.preventDefault();
        const galaxy = matches[Math.max(chosen, 0)];
        if (input.value.trim() === "") return;
        if (galaxy === undefined) app.say(`No galaxy has an id with “${input.value.trim().slice(0, 60)}” in it.`, true);
        else go(galaxy);
    });
    form.append(input, list, make("button", { type: "submit", textContent: "Go", title: "Show the galaxy" }));
}
