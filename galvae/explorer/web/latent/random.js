/**
 * Random numbers, the same for the same seed in every browser.
 *
 * The numbers are those of a small chaotic counter of four 32-bit words (sfc32 of Doty-Humphrey's PractRand), whose
 * words are filled from the seed by the mixing steps of MurmurHash3's finaliser.
 *
 * @param {number} seed - a whole number; those that differ by a multiple of 2**32 give the same numbers
 * @returns {{uniform: function(): number, normal: function(): number}} `uniform` draws from [0, 1), `normal` from the
 *   standard normal distribution
 */
export function generator(seed) {
    let state = seed >>> 0;
    const words = new Uint32Array(4).map(() => {
        state = (state + 0x9e3779b9) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
        mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
        return mixed ^ (mixed >>> 16);
    });
    words[3] = 1; // the counter, which makes a period shorter than 2**32 impossible
    let waiting = null;

    function next() {
        const sum = words[0] + words[1] + words[3];
        words[3] += 1;
        words[0] = words[1] ^ (words[1] >>> 9);
        words[1] = words[2] + (words[2] << 3);
        words[2] = ((words[2] << 21) | (words[2] >>> 11)) + sum;
        return sum >>> 0;
    }

    const uniform = () => next() / 4294967296;

    /** Marsaglia & Bray 1964, SIAM Rev. 6, 260: two normal numbers from a random point of the unit disc. */
    function normal() {
        if (waiting !== null) {
            const value = waiting;
            waiting = null;
            return value;
        }
        let x, y, square;
        do {
            x = 2 * uniform() - 1;
            y = 2 * uniform() - 1;
            square = x * x + y * y;
        } while (square >= 1 || square === 0);
        const factor = Math.sqrt((-2 * Math.log(square)) / square);
        waiting = y * factor;
        return x * factor;
    }

    for (let i = 0; i < 12; i++) next(); // until every word depends on the seed
    return { uniform, normal };
}
