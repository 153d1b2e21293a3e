/**
 * The point nearest to a pixel. All points are looked at, which takes a millisecond for 300,000.
 *
 * @param {{xs: TypedArray, ys: TypedArray, faint: Uint8Array|null}} points - of the plane; NaN is nowhere, faint ones
 *   are passed over
 * @param {View} view - what is in view
 * @param {number} left, top - the pixel
 * @param {number} most - the distance in pixels up to which a point counts
 * @returns {number|null} its index
 */
export function nearestPoint({ xs, ys, faint }, view, left, top, most) {
    const { x, y } = view.at(left, top);
    const { scaleX, scaleY } = view;
    let nearest = null;
    let least = most * most;
    for (let i = 0; i < xs.length; i++) {
        const right = (xs[i] - x) * scaleX;
        const down = (ys[i] - y) * scaleY;
        const square = right * right + down * down;
        if (square <= least && !faint?.[i]) {
            nearest = i;
            least = square;
        }
    }
    return nearest;
}

/**
 * The points inside a polygon, by the even-odd rule.
 *
 * @param {{xs: TypedArray, ys: TypedArray, faint: Uint8Array|null}} points - as for `nearestPoint`
 * @param {View} view - what is in view
 * @param {number[][]} corners - (left, top) in pixels of at least three corners, in order
 * @returns {Int32Array} indices of the points, ascending
 */
export function pointsInside({ xs, ys, faint }, view, corners) {
    const edges = corners.map((corner, i) => {
        const [a, b] = [corner, corners[(i + 1) % corners.length]].map(([left, top]) => view.at(left, top));
        return a.y < b.y ? [a.x, a.y, b.x, b.y] : [b.x, b.y, a.x, a.y];
    });
    const lefts = edges.flatMap(([x0, , x1]) => [x0, x1]);
    const [west, east] = [Math.min(...lefts), Math.max(...lefts)];
    const [south, north] = [Math.min(...edges.map((edge) => edge[1])), Math.max(...edges.map((edge) => edge[3]))];
    if (!(north > south)) return new Int32Array(0);
    // A point is compared only with the edges that cross its band, of which a long lasso has few.
    const bands = 256;
    const perUnit = bands / (north - south);
    const crossing = Array.from({ length: bands + 1 }, () => []);
    for (const edge of edges) {
        const last = Math.floor((edge[3] - south) * perUnit);
        for (let band = Math.floor((edge[1] - south) * perUnit); band <= last; band++) crossing[band]?.push(edge);
    }
    const inside = [];
    for (let i = 0; i < xs.length; i++) {
        const [x, y] = [xs[i], ys[i]];
        if (!(x >= west && x <= east && y >= south && y <= north) || faint?.[i]) continue;
        const near = crossing[Math.floor((y - south) * perUnit)];
        let odd = false;
        for (let k = 0; k < near.length; k++) {
            const edge = near[k];
            if (y < edge[1] || y >= edge[3]) continue;
            if (x < edge[0] + ((edge[2] - edge[0]) * (y - edge[1])) / (edge[3] - edge[1])) odd = !odd;
        }
        if (odd) inside.push(i);
    }
    return Int32Array.from(inside);
}
