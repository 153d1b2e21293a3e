/**
 * A text for XML, in an element or in double quotes.
 *
 * @param {string} text
 * @returns {string} with entities; characters that XML 1.0 cannot hold, as most control characters, are replaced
 */
export function xmlText(text) {
    return text
        .replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd")
        .replace(/[&<>"\t\n\r]/g, (character) => XML_ENTITIES[character] ?? `&#${character.charCodeAt(0)};`);
}

const XML_ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
