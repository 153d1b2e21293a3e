/** Whether the page is dark: by the chosen theme, else by the browser's preference. */
export function isDark(theme) {
    return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}
