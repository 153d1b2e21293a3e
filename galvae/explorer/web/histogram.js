/** Histograms: counted by one function and drawn by another, in the colours of the theme. */

/**
 * How many values lie in each of equal bins.
 *
 * @param {ArrayLike<number>} values - NaN, and what lies outside of the range, is not counted
 * @param {number} low, high - edges of the first and the last bin, both included
 * @param {number} bins - number of bins
 * @returns {Int32Array} (bins,)
 */
export function counts(values, low, high, bins) {
    const result = new Int32Array(bins);
    const perUnit = high > low ? bins / (high - low) : 0;
    for (let i = 0; i < values.length; i++) {
        const value = values[i];
        if (value >= low && value <= high) result[Math.min(bins - 1, Math.floor((value - low) * perUnit))]++;
    }
    return result;
}

/**
 * Draws a histogram over the whole of a canvas, as large as its layout makes it.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} all - counts of all galaxies, in the theme's grey
 * @param {{over: ?ArrayLike<number>, marker: ?number}} [options] - `over`: counts of some of them in the same bins, as
 *   steps in the accent colour; each histogram is then drawn as a share of its own total, so that their shapes can be
 *   compared. `marker`: where a line is drawn, from 0 at the left edge to 1 at the right one
 */
export function drawHistogram(canvas, all, { over = null, marker = null } = {}) {
    const ratio = window.devicePixelRatio || 1;
    const width = (canvas.width = Math.max(1, Math.round((canvas.clientWidth || canvas.width / ratio) * ratio)));
    const height = (canvas.height = Math.max(1, Math.round((canvas.clientHeight || canvas.height / ratio) * ratio)));
    const style = getComputedStyle(canvas);
    const pen = canvas.getContext("2d");
    const share = (bins) => {
        const total = bins.reduce((sum, count) => sum + count, 0);
        return Array.from(bins, (count) => (total ? count / total : 0));
    };
    const shares = share(all);
    const others = over && share(over);
    const highest = Math.max(...shares, ...(others ?? []), 1e-9);
    const edge = (bin) => Math.round((bin * width) / shares.length);
    const top = (value) => Math.round((1 - (0.96 * value) / highest) * height);

    pen.fillStyle = style.getPropertyValue("--muted");
    pen.globalAlpha = 0.45;
    shares.forEach((value, bin) => pen.fillRect(edge(bin), top(value), edge(bin + 1) - edge(bin), height - top(value)));
    pen.globalAlpha = 1;
    if (others) {
        pen.beginPath();
        pen.moveTo(0, height);
        others.forEach((value, bin) => {
            pen.lineTo(edge(bin), top(value));
            pen.lineTo(edge(bin + 1), top(value));
        });
        pen.lineTo(width, height);
        pen.strokeStyle = pen.fillStyle = style.getPropertyValue("--accent");
        pen.lineWidth = 1.5 * ratio;
        pen.globalAlpha = 0.2;
        pen.fill();
        pen.globalAlpha = 1;
        pen.stroke();
    }
    if (marker !== null && Number.isFinite(marker)) {
        pen.fillStyle = style.getPropertyValue("--accent");
        const line = Math.max(1, Math.round(2 * ratio));
        pen.fillRect(Math.round(Math.min(1, Math.max(0, marker)) * width - line / 2), 0, line, height);
    }
}
