const SHEETS_KEPT = 20; // decoded sheets of 256 stamps and up to 4 MB, for the 5,000 stamps of a page by default

/** The stamps of galaxies, many on one sheet. */
export class Thumbnails {
    /** @param {PageData} data - the data of the page, whose manifest says in `thumbnails` where the stamps are */
    constructor(data) {
        this.data = data;
        this.sheets = new Map(); // name -> promise of a decoded sheet, the one used last at the end
    }

    /** The stamp of a galaxy, see `PageData.thumbnail`. */
    async of(galaxy) {
        const layout = this.data.manifest.thumbnails;
        if (!layout) return null;
        const place = positionIn(await this.data.array(layout.galaxies), galaxy);
        if (place < 0) return null;
        const onSheet = place % layout.per_sheet;
        const image = await this.sheet(layout.sheets[(place - onSheet) / layout.per_sheet]);
        const { width, height, cell, columns } = layout;
        const column = onSheet % columns;
        return { image, x: column * cell[0], y: ((onSheet - column) / columns) * cell[1], width, height };
    }

    /** A decoded sheet, of which the last few are kept. */
    sheet(name) {
        const sheet = this.sheets.get(name) ?? this.decoded(name);
        this.sheets.delete(name);
        this.sheets.set(name, sheet);
        if (this.sheets.size > SHEETS_KEPT) this.forget(this.sheets.keys().next().value);
        return sheet;
    }

    /** Frees the memory of a sheet, after those who wait for it have drawn what they wanted. */
    forget(name) {
        this.sheets.get(name).then((image) => setTimeout(() => image.close()), () => {});
        this.sheets.delete(name);
    }

    async decoded(name) {
        try {
            return await createImageBitmap(new Blob([await this.data.file(name)], { type: "image/jpeg" }));
        } catch (error) {
            this.sheets.delete(name); // the server may answer again
            throw this.data.failure(`thumbnails “${name}”`, error);
        }
    }
}

/**
 * The position of a number in sorted numbers.
 *
 * @param {Int32Array} sorted - numbers in ascending order
 * @param {number} wanted - the number to find
 * @returns {number} its position, -1 if it is not among them
 */
export function positionIn(sorted, wanted) {
    let low = 0;
    let high = sorted.length - 1;
    while (low <= high) {
        const middle = (low + high) >> 1;
        if (sorted[middle] === wanted) return middle;
        if (sorted[middle] < wanted) low = middle + 1;
        else high = middle - 1;
    }
    return -1;
}
