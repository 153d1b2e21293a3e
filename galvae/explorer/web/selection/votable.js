import { xmlText } from "../xml.js";

const VOTABLE_NAMESPACE = "http://www.ivoa.net/xml/VOTable/v1.3";
const VOTABLE_ROWS = 200; // of a run of rows, after which the page may draw

/**
 * Galaxies as a VOTable, which TOPCAT, Aladin and astropy read, with units and with UCDs of id, RA and Dec.
 *
 * Numbers are written with all their digits, NaN where unknown.
 *
 * Reference: Ochsenbein et al. 2019, VOTable Format Definition 1.4, IVOA Recommendation.
 *
 * @param {Object[]} columns - as `tableColumns` of csv.js returns them
 * @param {Int32Array} galaxies - whose rows
 * @param {string} name - of the table
 * @param {function(): Promise} pause - of `Slices`
 * @param {number} most - characters that the table may have
 * @returns {Promise<string|null>} an XML document; null if it would be longer
 */
export async function votable(columns, galaxies, name, pause, most) {
    const fields = columns.map((column) => {
        const isText = column.type === "text";
        const type = isText ? 'datatype="unicodeChar" arraysize="*"' : `datatype="${column.type}"`;
        const unit = column.unit ? ` unit="${xmlText(column.unit)}"` : "";
        const ucd = column.ucd ? ` ucd="${column.ucd}"` : "";
        return `<FIELD name="${xmlText(column.title)}" ${type}${unit}${ucd}/>`;
    });
    const cell = (column, galaxy) => {
        const text = column.text(galaxy);
        return column.type === "text" ? xmlText(text) : VOTABLE_NUMBERS[text] ?? text;
    };
    const row = (galaxy) => `<TR>${columns.map((column) => `<TD>${cell(column, galaxy)}</TD>`).join("")}</TR>`;
    const rows = [];
    let length = 0;
    for (let start = 0; start < galaxies.length; start += VOTABLE_ROWS) {
        rows.push(Array.from(galaxies.subarray(start, start + VOTABLE_ROWS), row).join("\n"));
        length += rows.at(-1).length;
        if (length > most) return null;
        await pause();
    }
    return [
        '<?xml version="1.0" encoding="UTF-8"?>',
        `<VOTABLE version="1.4" xmlns="${VOTABLE_NAMESPACE}">`,
        `<RESOURCE><TABLE name="${xmlText(name)}" nrows="${galaxies.length}">`,
        ...fields,
        "<DATA><TABLEDATA>",
        ...rows,
        "</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>",
        "",
    ].join("\n");
}

/** Numbers that XML writes otherwise than CSV. */
const VOTABLE_NUMBERS = { "": "NaN", inf: "+Inf", "-inf": "-Inf" };
