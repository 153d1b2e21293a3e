/**
 * Random codes of a run's prior: N(0, I), or a mixture of Gaussians given a condition.
 *
 * What is the same for every code is computed by `galvae/explorer/generation.py`, which says what the arrays are.
 */
export class PriorSampler {
    /**
     * @param {Object} spec - the manifest's `prior`
     * @param {Object} arrays - typed arrays by their full names, which begin with "prior."
     */
    constructor(spec, arrays) {
        this.spec = spec;
        this.label = spec.label;
        this.arrays = Object.fromEntries(
            Object.keys(arrays).map((name) => [name.replace("prior.", ""), arrays[name]]));
    }

    /**
     * Draws one code.
     *
     * @param {{uniform: function(): number, normal: function(): number}} random - see `generator`
     * @param {ArrayLike<number>|null} condition - (K,) in physical units; not used by a prior that was fitted without
     * @returns {Float32Array} (D,)
     */
    sample(random, condition) {
        const dim = this.spec.latent_dim;
        const share = random.uniform(); // first, so that the same seed gives a like galaxy under another condition
        const noise = Float64Array.from({ length: dim }, () => random.normal());
        if (this.spec.kind === "normal") return Float32Array.from(noise);
        const { means, roots, gains, shift, scale } = this.arrays;
        const columns = this.spec.condition_dim;
        const given = Float64Array.from({ length: columns }, (_, i) =>
            (condition[i] - shift[dim + i]) / scale[dim + i]);
        const component = this.component(share, given);
        const triangle = (dim * (dim + 1)) / 2;
        const differences = given.map((value, i) => value - means[component * (dim + columns) + dim + i]);
        return Float32Array.from(noise, (_, i) => {
            let value = means[component * (dim + columns) + i];
            for (let j = 0; j < columns; j++) value += gains[(component * dim + i) * columns + j] * differences[j];
            const row = component * triangle + (i * (i + 1)) / 2;
            for (let j = 0; j <= i; j++) value += roots[row + j] * noise[j];
            return shift[i] + scale[i] * value;
        });
    }

    /**
     * Which Gaussian a code is drawn from.
     *
     * @param {number} share - random number from [0, 1)
     * @param {Float64Array} given - (K,) the condition in standard units
     * @returns {number}
     */
    component(share, given) {
        const { means, whitening, log_weights: logWeights } = this.arrays;
        const { latent_dim: dim, condition_dim: columns } = this.spec;
        const logs = Float64Array.from(logWeights, (logWeight, k) => {
            const differences = given.map((value, i) => value - means[k * (dim + columns) + dim + i]);
            let square = 0;
            for (let i = 0; i < columns; i++) {
                let sum = 0;
                for (let j = 0; j < columns; j++) sum += whitening[(k * columns + i) * columns + j] * differences[j];
                square += sum * sum;
            }
            return logWeight - 0.5 * square;
        });
        const largest = logs.reduce((a, b) => Math.max(a, b));
        const weights = logs.map((one) => Math.exp(one - largest));
        let left = share * weights.reduce((a, b) => a + b);
        for (let k = 0; k < weights.length; k++) {
            left -= weights[k];
            if (left < 0) return k;
        }
        return weights.indexOf(Math.max(...weights)); // where rounding has left nothing
    }
}
