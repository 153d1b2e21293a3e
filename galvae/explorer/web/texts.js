/** Texts of the page: numbers, counts, columns and what they say about galaxies, words of a command line. */

const UNKNOWN = "–";
const LONGEST_TITLE = 80; // characters of a name or of a unit
const CONTROLS = /[\x00-\x1f\x7f-\x9f\u2028\u2029]/; // which a terminal obeys, or which end a line
const TURNING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g; // the text after them, for scripts from right to left

/**
 * A number with few digits and a proper minus sign; whole numbers stand in full.
 *
 * @param {number} value
 * @param {number} digits - of numbers that are not whole
 * @returns {string} a dash where it is not finite
 */
export function numberText(value, digits = 4) {
    if (!Number.isFinite(value)) return UNKNOWN;
    if (Number.isSafeInteger(value)) return String(value).replaceAll("-", "−");
    const rounded = Number(value.toPrecision(digits));
    const size = Math.abs(rounded);
    const text = size >= 1e-3 && size < 1e6 ? String(rounded) : rounded.toExponential();
    return text.replaceAll("-", "−").replace("e+", "e");
}

/**
 * How many there are of something, such as "17,736 galaxies".
 *
 * @param {number} count
 * @param {string} noun - in the singular
 * @returns {string}
 */
export function countText(count, noun) {
    const plural = noun.endsWith("y") ? `${noun.slice(0, -1)}ies` : `${noun}s`;
    return `${count.toLocaleString("en")} ${count === 1 ? noun : plural}`;
}

/** The title of a column with its unit, shortened where it would fill the page, and with proper minus signs. */
export function columnTitle({ label, name, unit }) {
    const short = (text) => (text.length > LONGEST_TITLE ? `${text.slice(0, LONGEST_TITLE)}…` : text);
    const title = short(label || name).replaceAll("(-)", "(−)");
    return unit ? `${title} (${short(unit)})` : title;
}

/**
 * What a column says about a galaxy.
 *
 * @param {Object} column - its entry of the manifest with `values`
 * @param {number} galaxy
 * @param {boolean} exact - whether more digits are wanted, as for RA and Dec
 * @returns {{text: string, unit: string}} a dash without a unit where it is unknown
 */
export function valueText(column, galaxy, exact = false) {
    const value = column.values[galaxy];
    if (column.kind === "class") return { text: column.classes[value] ?? UNKNOWN, unit: "" };
    if (column.kind === "text") return { text: value || UNKNOWN, unit: "" };
    if (!Number.isFinite(value)) return { text: UNKNOWN, unit: "" };
    return { text: exact ? value.toFixed(5).replace("-", "−") : numberText(value), unit: column.unit ?? "" };
}

/**
 * A text as it can be read: signs that would turn around the order of what follows are replaced.
 *
 * @param {string} text
 * @returns {string}
 */
export function readable(text) {
    return text.replace(TURNING, "\ufffd");
}

/**
 * A word of a command line, in quotes where a shell would read something into it.
 *
 * @param {string} text
 * @param {string} what - what the word is made of, for the error
 * @returns {string} for shells such as bash and zsh
 * @throws {Error} with a sentence for the reader, if it holds control characters, which a terminal would obey
 */
export function shellWord(text, what) {
    if (CONTROLS.test(text)) throw new Error(`Nothing is copied: a terminal would obey the control characters in ${what}.`);
    return /^[\w.,:@%+/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
