"""The page of a latent space, as one HTML file or as a folder of files, written whole or not at all."""

import base64
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

from galvae.explorer.arrays import Parts
from galvae.explorer.modules import WEB, bundled, styles
from galvae.system.atomic import replacing, sync_folder

# The hub through which a page sends tables to other programs on this machine (SAMP's web profile).
HUB = "http://localhost:21012"
# Folders of data beside the page: of this page or an older one, or left by a process that was killed.
DATA = re.compile(r"data-[0-9a-f]{16}|\.\d+-data")


def write_page(path, manifest, arrays, sheets, folder=False, served=False):
    """Writes the page that shows a latent space.

    The same contents give the same bytes. The data of an older page in the same folder are removed.

    Args:
        path: path of the HTML file, whose folder exists.
        manifest: JSON-able dict of what the page shows, see `galvae.explorer.contents`.
        arrays: dict of arrays or lists of texts by name, see `galvae.explorer.arrays`.
        sheets: dict of JPEG files by name, see `galvae.explorer.thumbnails`.
        folder: keep arrays and sheets in files of at most 2 MB in a folder beside the page, which a web server must
            then hand out, instead of inside the page.
        served: allow the page to connect to the server that hands it out, as `galvae.explorer.server` does, which
            keeps a table for other programs; so may every page in a folder.

    Returns:
        `path`.
    """
    path = Path(path)
    parts = Parts()
    files = _files(parts, arrays, sheets)
    data = _write_files(path.parent, files) if folder else None
    elements = [] if folder else [_element(name, base64.b64encode(file).decode()) for name, file in files]
    manifest = {**manifest, "arrays": parts.entries, "data": data}
    elements.append(_element("manifest", _json(manifest), "application/json"))
    with replacing(path) as temporary:
        temporary.write_text(_filled("\n".join(elements), folder or served), encoding="utf-8")
    for other in path.parent.iterdir():
        if DATA.fullmatch(other.name) and other.name != data:
            _remove(other)
    return path


def _files(parts, arrays, sheets):
    """Yields (name, bytes) of everything that a page holds beside its manifest."""
    for name, array in arrays.items():
        yield from parts.of(name, array)
    yield from sheets.items()


def _write_files(folder, files):
    """Writes files into a folder of their own, named by their contents, so that no older page or cache is mixed in."""
    temporary, digest = folder / f".{os.getpid()}-data", hashlib.sha256()
    _remove(temporary)
    try:
        temporary.mkdir()
        for name, file in files:
            digest.update(name.encode() + file)
            (temporary / f"{name}.bin").write_bytes(file)
        sync_folder(temporary)
        data = f"data-{digest.hexdigest()[:16]}"
        _remove(folder / data)
        temporary.rename(folder / data)
    finally:
        _remove(temporary)
    return data


def _remove(path):
    """Removes a folder if there is one; a link is removed, not what it leads to."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _element(name, text, kind="application/octet-stream"):
    """An element with data that no browser runs or shows."""
    return f'<script type="{kind}" id="{name}">{text}</script>'


def _json(values):
    """JSON that can stand in HTML: ASCII, in which no character begins or ends markup."""
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _filled(data, served):
    """The HTML of the page: its layout with data, style, script, and the rules for what the browser may do."""
    style, script = styles(), bundled("app.js")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            f"connect-src {HUB}" + (" 'self'" if served else ""),
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    fillings = {
        "policy": f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        "styles": style,
        "data": data,
        "script": script,
    }
    layout = (WEB / "page.html").read_text(encoding="utf-8")
    return re.sub("<!--(policy|styles|data|script)-->", lambda match: fillings[match[1]], layout)


def _hash(text):
    """The hash by which a policy allows a text in the page."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
