import { quantiles } from "../quantiles.js";

/**
 * How galaxies are coloured by a column: each has a level, and each level an entry in a table.
 *
 * The table's entries are what a pixel sums over its galaxies: of a class its red, green and blue; of a number its
 * place in the palette, and 1 where it is known.
 *
 * @param {Object|null} column - of the page's data, with its values; null: one colour for all
 * @param {{values: TypedArray, classes: TypedArray, unknown: number[]}} palettes - (256, 3), (n, 3) and (3,) RGB; those
 *   of classes are made for the number of this column's classes, and may repeat
 * @param {boolean} dark - whether they are drawn on a dark page
 * @param {number} count - number of galaxies
 * @returns {Object} {column, levels: Uint16Array (N,), table, colours: RGB by level, counts: galaxies by level, low,
 *   high: the numbers at the ends of the palette, unknown: the level of galaxies without a value, distinct: number of different
 *   colours of classes, means: whether pixels have the colour of their mean number rather than the mean of colours,
 *   packedColours: of numbers}
 */
export function colouringBy(column, palettes, dark, count) {
    if (!column) return ofClasses(null, new Uint16Array(count), [dark ? [150, 190, 230] : [40, 80, 130]]);
    const unknown = legible(rgbOf(palettes.unknown, 0), dark);
    if (column.kind === "class") {
        const size = column.classes.length;
        const rows = column.classes.map((_, i) => rgbOf(palettes.classes, i));
        const colours = rows.map((rgb) => legible(rgb, dark));
        const levels = Uint16Array.from(column.values, (value) => (value >= 0 && value < size ? value : size));
        return { ...ofClasses(column, levels, [...colours, unknown]), distinct: new Set(rows.map(String)).size };
    }
    const [low, high] = quantiles(column.values, [0.01, 0.99]);
    const span = high > low ? high - low : 1;
    const levels = Uint16Array.from(column.values, (value) =>
        Number.isFinite(value) ? Math.round(255 * Math.min(1, Math.max(0, (value - low) / span))) : 256);
    const colours = [...Array.from({ length: 256 }, (_, i) => legible(rgbOf(palettes.values, i), dark)), unknown];
    const table = new Float32Array(3 * 257);
    for (let i = 0; i < 256; i++) table.set([i, 1, 0], 3 * i);
    const packedColours = Uint32Array.from(colours, packedColour);
    const counts = countsOf(levels, 257);
    return { column, levels, table, colours, counts, low, high, unknown: 256, means: true, packedColours };
}

/** The colouring of classes, the last of which has no name. */
function ofClasses(column, levels, colours) {
    const counts = countsOf(levels, colours.length);
    const table = Float32Array.from(colours.flat());
    return { column, levels, table, colours, counts, unknown: colours.length - 1, means: false };
}

function countsOf(levels, size) {
    const counts = new Int32Array(size);
    for (const level of levels) counts[level]++;
    return counts;
}

function rgbOf(palette, index) {
    return Array.from(palette.subarray(3 * index, 3 * index + 3));
}

/** A colour as the numbers of ImageData hold it, without opacity. */
export function packedColour([red, green, blue]) {
    return (Math.round(blue) << 16) | (Math.round(green) << 8) | Math.round(red);
}

/** The red, green and blue of "#BBBBBB". */
export function rgbOfHex(text) {
    return [1, 3, 5].map((start) => parseInt(text.slice(start, start + 2), 16));
}

/** A colour for style sheets and canvases. */
export function cssColour([red, green, blue]) {
    return `rgb(${Math.round(red)} ${Math.round(green)} ${Math.round(blue)})`;
}

/**
 * A colour that can be seen on the page: lightened on a dark page or darkened on a light one to a contrast of 2 to 1 or more.
 *
 * Reference: relative luminance and contrast of the Web Content Accessibility Guidelines 2.1.
 */
export function legible(rgb, dark) {
    const target = dark ? [255, 255, 255] : [0, 0, 0];
    for (let share = 0; share < 1; share += 0.04) {
        const mixed = rgb.map((value, i) => value + share * (target[i] - value));
        const luminance = relativeLuminance(mixed);
        if (dark ? luminance >= 0.095 : luminance <= 0.475) return mixed;
    }
    return target;
}

function relativeLuminance(rgb) {
    const [red, green, blue] = rgb.map((value) =>
        value <= 10 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
