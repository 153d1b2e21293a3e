"""The page's JavaScript modules, put together into one script that a page without a server can hold."""

import re
from pathlib import Path

WEB = Path(__file__).resolve().parent / "web"
# The only forms that modules use, so that putting them together needs no parser.
IMPORT = re.compile(r'^import \{[^}]*\} from "(\.{1,2}/[\w/]+\.js)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const)\b)", re.MULTILINE)


def bundled(*entries):
    """One script of modules and all that they import, each after what it needs.

    Their names end in one scope, in which every top-level name stands once.

    Args:
        entries: names of modules in the folder `web`, such as "plane/plane.js".

    Returns:
        JavaScript without imports and exports.
    """
    texts = {}
    for entry in entries:
        _collect(WEB / entry, texts)
    return "\n".join(EXPORT.sub("", IMPORT.sub("", text)) for text in texts.values())


def styles():
    """All style sheets of the page as one, that of the layout first."""
    paths = sorted(WEB.glob("**/*.css"), key=lambda path: (path.name != "style.css", path.name))
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def _collect(path, texts):
    """Adds a module to the dict path -> text, after the modules that it imports."""
    if path in texts:
        return
    texts[path] = text = path.read_text(encoding="utf-8")  # at once, as modules may import each other
    for other in IMPORT.findall(text):
        _collect((path.parent / other).resolve(), texts)
    texts[path] = texts.pop(path)  # after them
