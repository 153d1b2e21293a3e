const CSV_ROWS = 500; // of a run of rows, after which the page may draw

/**
 * The columns of a table of galaxies: ids, RA and Dec, then all others.
 *
 * @param {PageData} data - the data of the page
 * @returns {Promise<Object[]>} each with `title`, its name in a file, different from all others; `unit`; `ucd`, by
 *   which other programs recognise id, RA and Dec; `type`: "text", "float" or "double"; and `text(galaxy)`, its value
 *   as text, empty where unknown
 */
export async function tableColumns(data) {
    const { ids, ra, dec, columns } = data.manifest;
    const names = columns.map((column) => column.name);
    const first = [ra, dec].filter((name) => name !== null && name !== undefined && names.includes(name));
    const ucds = new Map([[ra, "pos.eq.ra;meta.main"], [dec, "pos.eq.dec;meta.main"]]);
    const values = await data.array(ids);
    const table = [
        { title: "id", unit: "", ucd: "meta.id;meta.main", type: "text", text: (galaxy) => values[galaxy] },
    ];
    const titles = new Set(["id"]);
    for (const name of new Set([...first, ...names])) {
        const column = await data.column(name);
        table.push({
            title: unusedTitle(name, titles),
            unit: column.unit ?? "",
            ucd: ucds.get(name) ?? "",
            type: column.kind !== "number" ? "text" : column.values instanceof Float64Array ? "double" : "float",
            text: cellText(column),
        });
    }
    return table;
}

/**
 * Rows of a table as CSV: a line for each, fields quoted where they must be (RFC 4180).
 *
 * Texts stay as they are, also those that a spreadsheet would take for a formula because they begin with = + - or @:
 * an id that is changed is the id of no galaxy.
 *
 * @param {Object[]} columns - as `tableColumns` returns them
 * @param {ArrayLike<number>|null} galaxies - whose rows; null: the line of titles
 * @returns {string} lines that end with CR LF
 */
export function csvLines(columns, galaxies) {
    const line = (text) => `${columns.map((column) => csvField(text(column))).join(",")}\r\n`;
    if (galaxies === null) return line((column) => column.title);
    return Array.from(galaxies, (galaxy) => line((column) => column.text(galaxy))).join("");
}

/**
 * A table of galaxies as the parts of a CSV file, with pauses.
 *
 * @param {Object[]} columns - as `tableColumns` returns them
 * @param {Int32Array} galaxies - whose rows
 * @param {function(): Promise} pause - of `Slices`
 * @param {function(number): void} onProgress - receives the share of rows that are done
 * @returns {Promise<string[]>} texts that make the file
 */
export async function csvParts(columns, galaxies, pause, onProgress) {
    const parts = [csvLines(columns, null)];
    for (let start = 0; start < galaxies.length; start += CSV_ROWS) {
        parts.push(csvLines(columns, galaxies.subarray(start, start + CSV_ROWS)));
        onProgress(start / galaxies.length);
        await pause();
    }
    return parts;
}

/**
 * A number with as many digits as tell it from all others of its type, and no more.
 *
 * @param {number} value
 * @param {boolean} single - whether it is a number of 32 bits, which needs at most nine digits
 * @returns {string} "" for NaN, "inf" and "-inf"
 */
export function exactText(value, single) {
    if (Number.isNaN(value)) return "";
    if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
    if (value === 0) return Object.is(value, -0) ? "-0.0" : "0";
    if (single) {
        // Six digits always survive 32 bits, and nine are always enough.
        let shortest = Number(value.toPrecision(9));
        for (let digits = 8; digits >= 6; digits--) {
            const shorter = Number(value.toPrecision(digits));
            if (Math.fround(shorter) !== value) break;
            shortest = shorter;
        }
        return String(shortest);
    }
    return String(value);
}

/** A function that gives a column's value of a galaxy as text. */
function cellText({ kind, values, classes }) {
    if (kind === "class") return (galaxy) => classes[values[galaxy]] ?? "";
    if (kind === "text") return (galaxy) => values[galaxy] ?? "";
    const single = values instanceof Float32Array;
    return (galaxy) => exactText(values[galaxy], single);
}

function unusedTitle(name, titles) {
    let title = name;
    for (let count = 2; titles.has(title); count++) title = `${name}_${count}`;
    titles.add(title);
    return title;
}

function csvField(text) {
    return /^#|[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
