/**
 * An element of the page with its content. Texts become text nodes, never markup.
 *
 * @param {string} tag
 * @param {Object} properties - of the element such as `className` or `onclick`; other names, as `aria-label`, become
 *   attributes
 * @param {...(Node|string|null)} children - null is left out
 * @returns {HTMLElement}
 */
export function make(tag, properties = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
        if (name in node) node[name] = value;
        else node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null));
    return node;
}
