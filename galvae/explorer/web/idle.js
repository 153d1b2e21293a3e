const LONGEST_SLICE = 25; // milliseconds of work between two pauses, so that the page answers meanwhile

/** Long work in short runs, between which the browser draws and answers, and which newer work ends. */
export class Slices {
    constructor() {
        this.current = 0;
        this.since = 0;
    }

    /**
     * Begins work, and ends what was under way.
     *
     * @returns {function(): Promise<boolean>} to be awaited again and again during the work: waits if it has taken
     *   long, and says whether it should go on
     */
    begin() {
        const mine = ++this.current;
        this.since = performance.now();
        return async () => {
            if (mine === this.current && performance.now() - this.since > LONGEST_SLICE) {
                await untilIdle();
                this.since = performance.now();
            }
            return mine === this.current;
        };
    }
}

/** Waits until the browser has drawn and has nothing else to do, at most 0.1 s. */
function untilIdle() {
    return new Promise((go) => {
        if (window.requestIdleCallback) window.requestIdleCallback(() => go(), { timeout: 100 });
        else setTimeout(go);
    });
}
