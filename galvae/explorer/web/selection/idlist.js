import { shellWord } from "../texts.js";

/**
 * Ids as the word `id=[...]` of a galvae command line, such as `galvae neighbors run=RUN 'id=[3,"NGC 1"]'`.
 *
 * Integers stand as they are; any other id in double quotes, in which Hydra's grammar wants a backslash before a
 * quotation mark and OmegaConf one before ${, each after twice the backslashes that are there; and the whole in single
 * quotes, for the shell.
 *
 * @param {string[]} ids
 * @returns {string} one word for a shell such as bash or zsh
 * @throws {Error} as `shellWord`
 */
export function idWord(ids) {
    return shellWord(`id=[${ids.map(quotedId).join(",")}]`, "these ids; save the CSV instead");
}

function quotedId(id) {
    if (/^(0|[1-9]\d{0,17})$/.test(id)) return id;
    const plain = id.replace(/(\\*)\$\{/g, "$1$1\\${");
    return `"${plain.replace(/(\\*)("|$)/g, (match, slashes, end) => slashes + slashes + (end && '\\"'))}"`;
}
