import { galaxyState } from "../states.js";

/** Milliseconds of a decode up to which the image follows a slider while it moves. */
export const LIVE = 60;

/** Whether two codes or conditions are the same, number for number; null is only the same as null. */
export function sameNumbers(a, b) {
    return a === b || Boolean(a && b && a.every((value, i) => value === b[i]));
}

/** Whether a code, that of the store by default, is the own code of the galaxy that is shown. */
export function isOwnCode({ latent, store }, code = store.get().code) {
    const { galaxy } = store.get();
    return Boolean(latent) && galaxy !== null && sameNumbers(code, latent.code(galaxy));
}

/** Whether the store's code and condition are those of the galaxy that is shown. */
export function isUnmoved(app) {
    const { galaxy, condition } = app.store.get();
    return isOwnCode(app) && sameNumbers(condition, app.latent.conditionOf(galaxy));
}

/** Decodes the code of the store, and whatever else is asked for: the only place of the page that knows when. */
export class Decoding {
    /**
     * @param {Object} app - the page; `app.decoder` may be null
     * @property {Float32Array|null} image - the edited image, (height * width * bands,) in [0, 1], with noise if the
     *   store asks for it
     * @property {{code, condition, origin}} reference - what sliders have moved away from: the last code that was not
     *   moved by hand
     */
    constructor(app) {
        this.app = app;
        this.image = null;
        const { code, condition, origin } = app.store.get(); // a place may have been decoded already
        this.reference = { code, condition, origin };
        this.costs = [0, 0];
        this.holding = false;
        this.moving = false;
        this.waiting = false;
        this.plain = null; // the last code that was decoded, and its image without noise
        this.reconstructed = null;
        this.followers = [];
        app.store.on(["galaxy"], (state, changed) => {
            if (state.galaxy !== null && !changed.has("code")) app.store.set(galaxyState(app, state.galaxy));
        });
        app.store.on(["code", "condition"], (state) => {
            if (!this.moving) this.reference = { code: state.code, condition: state.condition, origin: state.origin };
        });
        app.store.on(["place"], ({ place }) => place && app.store.set({ draw: null, step: null }));
        app.store.on(["code", "condition", "noise", "noiseSeed"], () => this.request());
    }

    /** Calls back with the edited image, or null where there is none, whenever it has changed. */
    follow(callback) {
        this.followers.push(callback);
        this.request();
    }

    /** Moves code or condition away from the reference, which stays what it is. */
    move(patch) {
        this.moving = true;
        try {
            this.app.store.set(patch);
        } finally {
            this.moving = false;
        }
    }

    /** A slider is being moved: until `release`, nothing is decoded where that takes too long to follow it. */
    hold() {
        this.holding = true;
    }

    release() {
        this.holding = false;
        this.request();
    }

    /** Whether the store's code is that of the galaxy that is shown, or was moved away from it by hand. */
    get isEdit() {
        return isOwnCode(this.app, this.reference.code);
    }

    /** Whether images are decoded quickly enough to follow a slider; one slow decode among quick ones is an accident. */
    get live() {
        return Math.min(...this.costs) <= LIVE;
    }

    /** Decodes the store's code before the next picture of the screen, once for any number of requests. */
    request() {
        if (this.waiting) return;
        this.waiting = true;
        const wait = this.live ? 0 : 30; // until the screen shows that something is being decoded
        requestAnimationFrame(() => setTimeout(() => this.run(), wait));
    }

    run() {
        this.waiting = false;
        if (this.holding && !this.live) return;
        const { galaxy, code, condition, noise, noiseSeed } = this.app.store.get();
        if (!code || !this.app.decoder) {
            this.image = null;
        } else {
            if (this.plain?.code !== code || this.plain.condition !== condition) {
                const image = isUnmoved(this.app) ? this.reconstruction(galaxy) : this.decode(code, condition);
                this.plain = { code, condition, image };
            }
            const noisy = noise && this.app.noise;
            this.image = noisy ? this.withNoise(this.plain.image, noiseSeed) : this.plain.image;
        }
        for (const callback of this.followers) callback(this.image);
    }

    withNoise(image, seed) {
        const { height, width, bands } = this.app.data.manifest.image;
        return this.app.noise.add(image, height, width, bands, seed);
    }

    /**
     * The image of a code, without noise.
     *
     * @param {Float32Array} code - (latent_dim,)
     * @param {Float32Array|null} condition - (K,) in physical units
     * @returns {Float32Array} (height * width * bands,) in [0, 1]
     */
    decode(code, condition) {
        const image = this.app.decoder.decode(code, condition);
        this.costs = [this.costs[1], this.app.decoder.cost];
        return image;
    }

    /** The image of a galaxy's own code at its own condition; null without code or decoder. */
    reconstruction(galaxy) {
        const { code, condition } = galaxyState(this.app, galaxy);
        if (!code || !this.app.decoder) return null;
        if (this.reconstructed?.galaxy !== galaxy) {
            this.reconstructed = { galaxy, image: this.decode(code, condition) };
        }
        return this.reconstructed.image;
    }
}
