/** A latent's symbol, such as z₃. */
export function latentSymbol(axis) {
    return `z${String(axis).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit])}`;
}

/** A value of a latent as text, with a proper minus sign. */
export function latentText(value) {
    return value.toFixed(2).replace("-", "−");
}
