import { make } from "./elements.js";

const STEM = 80; // characters of a file's name before its ending
const KEPT = 60_000; // milliseconds for which the browser can read what it saves

/**
 * Lets the browser save a file as if it had been downloaded.
 *
 * @param {Blob} blob - what it holds
 * @param {string} stem - its name, of which signs that files cannot have are replaced, and the middle of a long one left out
 * @param {string} ending - of its name, such as "csv"
 * @returns {string} the name of the file
 */
export function download(blob, stem, ending) {
    const plain = stem.replace(/[^\w.-]+/g, "_");
    const short = plain.length > STEM ? plain.slice(0, STEM / 2) + plain.slice(-STEM / 2) : plain;
    const name = `${short}.${ending}`;
    const address = URL.createObjectURL(blob);
    make("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), KEPT);
    return name;
}
