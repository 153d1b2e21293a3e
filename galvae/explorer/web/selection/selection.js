import { copyText } from "../clipboard.js";
import { csvParts, tableColumns } from "./csv.js";
import { mountDifferences } from "./differences.js";
import { make } from "../elements.js";
import { download } from "../download.js";
import { Slices } from "../idle.js";
import { idWord } from "./idlist.js";
import { mountMontage } from "./montage.js";
import { SAMP_LARGEST, sendTable } from "../samp.js";
import { countText } from "../texts.js";
import { votable } from "./votable.js";

const MOST_IDS = 1000; // of a list for the command line; shells and people cannot do with more
const SEND_TITLE =
    "Sends the selected galaxies to TOPCAT, Aladin and other programs on this machine by SAMP, which asks before. " +
    "TOPCAT and Aladin answer a page that galvae explore serve=true has opened, none that was opened as a file.";

/**
 * The tab "Selection": what the selected galaxies are, beside all others, and ways to take them along.
 *
 * @param {HTMLElement} element - the panel
 * @param {Object} app
 */
export function mountSelection(element, app) {
    const { store, data } = app;
    const allGalaxies = Int32Array.from({ length: data.count }, (_, i) => i);
    const title = make("h2", { className: "count", "aria-live": "polite" });
    const hint = make("p", { className: "muted" },
        "Draw a rectangle or a lasso around galaxies of the plane, or click on classes in its legend and select them.");
    const body = make("div");
    const montage = make("div");
    const differences = make("div");
    const { element: exports, show: showExports } = mountExports(app);
    const choices = mountChoices(app, allGalaxies);
    body.append(exports, montage, differences);
    element.append(title, hint, choices, body);
    const parts = [[montage, mountMontage(montage, app)], [differences, mountDifferences(differences, app, allGalaxies)]];
    let displayed = null; // the selection that the panel describes

    async function update() {
        const { selection, tab } = store.get();
        title.textContent = selectionText(selection, data.count);
        hint.hidden = selection !== null;
        body.hidden = selection === null;
        if (selection === displayed || (selection && tab !== "selection")) return;
        displayed = selection;
        if (selection) showExports(selection);
        for (const [element] of parts) element.setAttribute("aria-busy", "true"); // it still describes the selection before
        for (const [element, show] of parts) {
            let failed = false;
            try {
                await show(selection);
            } catch (error) {
                failed = true;
                app.say(error.message, true);
            }
            if (selection !== displayed) return;
            element.hidden = failed;
            element.setAttribute("aria-busy", "false");
        }
    }

    store.on(["selection", "tab"], update);
    update();
}

/**
 * How many galaxies are selected, in words.
 *
 * @param {Int32Array|null} selection
 * @param {number} count - of all galaxies
 * @returns {string} such as "137 of 17,736 galaxies, 0.8 %"
 */
export function selectionText(selection, count) {
    const all = countText(count, "galaxy");
    if (selection === null) return `None of ${all} selected`;
    const share = count ? (100 * selection.length) / count : 0;
    const digits = share === 0 || share >= 10 ? 0 : share >= 0.1 ? 1 : share >= 0.01 ? 2 : 3;
    return `${selection.length.toLocaleString("en")} of ${all}, ${share.toFixed(digits)} %`;
}

/** Buttons that select all galaxies, those of highlighted classes, the others, or none. */
function mountChoices({ store, data }, allGalaxies) {
    const select = (isWanted) => {
        const selection = allGalaxies.filter(isWanted);
        store.set({ selection: selection.length ? selection : null });
    };
    const others = () => {
        const taken = new Uint8Array(data.count);
        for (const galaxy of store.get().selection) taken[galaxy] = 1;
        select((galaxy) => !taken[galaxy]);
    };
    const highlighted = () => {
        const { highlight, colouring } = store.get();
        select((galaxy) => highlight.includes(colouring.levels[galaxy]));
    };
    const button = (label, title, onclick) => make("button", { type: "button", title, onclick }, label);
    const all = button("Select all", "Selects every galaxy", () => select(() => true));
    const classes = button("Select highlighted", "Selects the classes that are highlighted in the legend", highlighted);
    const invert = button("Invert", "Selects those galaxies that are not selected", others);
    const clear = button("Clear", "Selects no galaxy", () => store.set({ selection: null }));
    const update = ({ selection, highlight }) => {
        classes.hidden = !highlight;
        invert.disabled = clear.disabled = selection === null;
    };
    store.on(["selection", "highlight"], update);
    update(store.get());
    return make("div", { className: "group" }, all, classes, invert, clear);
}

/** Buttons that save, copy and send the selected galaxies, and a line for each that says how that went. */
function mountExports(app) {
    const { data } = app;
    const answers = [];
    const byHand = make("textarea", { hidden: true, readOnly: true, rows: 3, "aria-label": "Ids of these galaxies" });
    let selection = new Int32Array(0);
    const button = (label, title, action) => {
        const one = make("button", { type: "button", title }, label);
        const answer = make("small", { role: "status" });
        answers.push(answer);
        const say = (text) => (answer.textContent = text);
        one.onclick = async () => {
            one.disabled = true;
            byHand.hidden = true;
            try {
                say(await action(selection, say));
            } catch (error) {
                say(error.message);
            }
            one.disabled = one === copy && selection.length > MOST_IDS;
        };
        return one;
    };

    const saveTitle = "Ids, RA, Dec and all columns, with all digits; a table for dataset.select=";
    const save = button("Save as CSV", saveTitle, async (galaxies, say) => {
        const onProgress = (share) => say(`Writing the CSV file … ${Math.floor(100 * share)} %`);
        onProgress(0);
        const columns = await tableColumns(data);
        const parts = await csvParts(columns, galaxies, new Slices().begin(), onProgress);
        const name = download(new Blob(parts, { type: "text/csv" }), `${data.manifest.run}_${galaxies.length}`, "csv");
        return `${name} has ${columns.length} columns. galvae train dataset.select=FILE uses these galaxies alone.`;
    });

    const copyTitle = "The ids as a word of the command line, for galvae neighbors run=RUN 'id=[...]'";
    const copy = button("Copy ids", copyTitle, async (galaxies) => {
        const word = idWord(Array.from(galaxies, (galaxy) => app.ids[galaxy]));
        if (await copyText(word)) return "Copied, for galvae neighbors run=RUN 'id=[...]' and other commands.";
        byHand.hidden = false;
        byHand.value = word;
        byHand.focus();
        byHand.select();
        return "This browser lets no page copy: press Ctrl+C, or ⌘C on a Mac, to copy what is marked.";
    });

    const send = button("Send to TOPCAT, Aladin", SEND_TITLE, async (galaxies, say) => {
        say("Writing the table to be sent …");
        const name = `${data.manifest.title}: ${galaxies.length} galaxies`;
        const table = await votable(await tableColumns(data), galaxies, name, new Slices().begin(), SAMP_LARGEST);
        if (table === null) {
            const most = Math.round(SAMP_LARGEST / 2 ** 20);
            return `The table has more than the ${most} MB that can be sent: save it as CSV and open that.`;
        }
        say("Asking the SAMP hub on this machine, which may ask you …");
        return sendTable(table, name);
    });

    const buttons = make("div", { className: "group" }, save, copy, send);
    const element = make("div", { className: "exports" }, buttons, ...answers, byHand);
    return {
        element,
        show(galaxies) {
            selection = galaxies;
            copy.disabled = galaxies.length > MOST_IDS;
            byHand.hidden = true;
            const most = MOST_IDS.toLocaleString("en");
            const tooMany = `More than ${most} ids are too many for a command line: save the CSV for dataset.select=.`;
            for (const answer of answers) answer.textContent = "";
            if (copy.disabled) answers[1].textContent = tooMany; // that of the ids
        },
    };
}
