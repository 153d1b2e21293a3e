import { readable } from "./texts.js";

const TEXTS = ["textContent", "title", "placeholder", "label", "aria-label"]; // properties that are read

/**
 * An element of the page with its content. Texts become text nodes, never markup, and are made `readable`.
 *
 * @param {string} tag
 * @param {Object} properties - of the element such as `className` or `onclick`; other names, as `aria-label`, become
 *   attributes
 * @param {...(Node|string|null)} children - null is left out
 * @returns {HTMLElement}
 */
export function make(tag, properties = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, given] of Object.entries(properties)) {
        const value = TEXTS.includes(name) ? readable(given) : given;
        if (name in node) node[name] = value;
        else node.setAttribute(name, value);
    }
    const content = children.filter((child) => child !== null);
    node.append(...content.map((child) => (typeof child === "string" ? readable(child) : child)));
    return node;
}
