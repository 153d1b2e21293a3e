/**
 * The state of the page: one object, which every part of the page reads, changes and follows.
 *
 * @param {Object} initial - values by key
 * @returns {{get: function(): Object, set: function(Object): void, on: function(string[], function): void}}
 *   `set` takes new values of some keys; callbacks of `on` receive the state and the set of keys that have changed,
 *   in the order in which they were given, each change after the one before.
 */
export function createStore(initial) {
    let state = { ...initial };
    const followers = [];
    const waiting = [];
    let calling = false;

    function set(patch) {
        waiting.push(patch);
        if (calling) return; // a follower has changed the state: its change comes after the present one
        calling = true;
        try {
            while (waiting.length) {
                const next = waiting.shift();
                const changed = new Set(Object.keys(next).filter((key) => !Object.is(next[key], state[key])));
                if (!changed.size) continue;
                state = { ...state, ...next };
                for (const { keys, callback } of followers) {
                    if (keys.some((key) => changed.has(key))) callback(state, changed);
                }
            }
        } finally {
            calling = false;
            waiting.length = 0; // after an error no earlier change is made
        }
    }

    return { get: () => state, set, on: (keys, callback) => followers.push({ keys, callback }) };
}
