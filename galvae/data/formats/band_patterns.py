"""Names of files in which one part names the band: patterns with {id} and {band}, and names that look like them."""

import random
import re

from galvae.data.formats.fits import NOT_SCIENCE
from galvae.data.formats.folder_listing import ENDINGS, named, stem
from galvae.errors import GalvaeError

SCIENCE = frozenset(["sci", "drz", "drc", "img", "image", "science"])
BAND = re.compile(
    r"(?:band)?(?:[ugrizybvjhk]|ks|[ugriz](?:prime|band)|f\d{3,4}(?:w|m|n|lp|x|w2)|nuv|fuv|vis|ch[1-4]|w[1-4]|"
    r"nir[_-]?[yjh]|red|green|blue)(?:band)?",
    re.IGNORECASE,
)
SEPARATORS = re.compile(r"[/_.\-]")
MOST_PARTS = 4  # parts of a name, from its beginning and from its end, in which a band is looked for
SAMPLE = 200  # names of which one must have a band, before all are compared


def compiled(pattern):
    """A pattern of file names with {id} and {band} as a regular expression with groups of these names.

    It matches whole names. {id} is as long as possible and may span folders, {band} as short as possible; where one
    occurs again it stands for the same text.

    Args:
        pattern: `dataset.band_files`.

    Raises:
        GalvaeError: if it has no {id}, other braces, no text between {id} and {band}, or does not end like an image.
    """
    parts = re.split(r"(\{id\}|\{band\})", pattern)
    literal, adjacent = "".join(parts[::2]), "{id}{band}" in pattern or "{band}{id}" in pattern
    if "{id}" not in parts or set("{}") & set(literal) or adjacent or not pattern.lower().endswith(ENDINGS):
        raise GalvaeError(
            "dataset.band_files: expected a pattern with {id} and {band}, text between them, and the ending of an "
            f"image, as '{{id}}_{{band}}.fits', received {pattern}"
        )
    groups, text = {"{id}": "(?P<id>.+)", "{band}": "(?P<band>[^/]+?)"}, ""
    for part in parts:
        text += groups.get(part, re.escape(part))
        if part in groups:
            groups[part] = f"(?P={part[1:-1]})"
    return re.compile(text, re.DOTALL)


def refuse_one_file_per_band(folder, names):
    """Refuses names of which most differ only in a part that looks like a band, or any in one like a weight or a mask.

    Args:
        folder: path, for messages.
        names: of the images, relative to it.

    Raises:
        GalvaeError: if there are such names; it says with which pattern they are read in either way.
    """
    split_names = [SEPARATORS.split(stem(name)) for name in names]
    longest = min(max(map(len, split_names)), MOST_PARTS)
    sample = random.Random(0).sample(split_names, min(len(names), SAMPLE))
    for place in (*range(-1, -longest - 1, -1), *range(longest)):
        others = any(_part(parts, place).lower() in NOT_SCIENCE for parts in split_names)
        if not others and not any(_is_kind(_part(parts, place)) for parts in sample):
            continue
        groups = [group for group in _groups(names, split_names, place) if len(group) > 1]
        if 2 * sum(map(len, groups)) > len(names):
            _refuse(folder, groups, place)
        groups = [group for group in groups if not NOT_SCIENCE.isdisjoint(group)]
        if groups:
            _refuse(folder, groups, place)


def _groups(names, split_names, place):
    """Names that differ in the part at a place only, each group as a dict of that part, in lower case -> name."""
    groups = {}
    for name, parts in zip(names, split_names, strict=True):
        part = _part(parts, place)
        if not _is_kind(part):  # such as an image whose weights have the same name and one part more
            part, key = "", tuple(parts)
        else:
            key = (*parts[:place], *parts[place:][1:])
        groups.setdefault(key, {})[part.lower()] = name
    return groups.values()


def _refuse(folder, groups, place):
    """Says how names that differ only in the part at a place can be read."""
    kinds = sorted({kind for group in groups for kind in group})
    images = [kind for kind in kinds if kind not in NOT_SCIENCE]
    group = max(groups, key=len)
    names = sorted(group.values())
    alone = "'{id}" + names[0][len(stem(names[0])) :] + "'"
    band = "{band}" if len(images) > 1 else None
    pattern = ""
    if images and "" not in images:
        pattern = _pattern([each[images[0]] for each in groups if images[0] in each], place, band)
    if not pattern:
        fix = "set dataset.band_files= to the pattern of the images' names, or move the others elsewhere"
    elif band is None:
        fix = f"dataset.band_files='{pattern}' reads {images[0]} alone"
    else:
        chosen = "" if len(images) == len(kinds) else f" with dataset.channels=[{','.join(images)}]"
        fix = f"dataset.band_files='{pattern}'{chosen} takes them for the bands of one galaxy"
    raise GalvaeError(
        f"dataset.path: {folder}: expected one file per galaxy, received names that differ only in "
        f"{', '.join(kind or 'nothing' for kind in kinds)} ({named(names)}); {fix}; dataset.band_files={alone} takes "
        "each file for a galaxy"
    )


def _pattern(names, place, band):
    """The pattern of names that have a band at a place, or "" if it is not simple.

    Args:
        names: of files, of one band.
        place: of the band among the parts of each name.
        band: what stands in its place in the pattern; None: the band itself.
    """
    parts = [re.split(f"({SEPARATORS.pattern})", stem(name)) for name in names]
    at = 2 * place if place >= 0 else 2 * place + 1
    before = {"".join(each[:at]) for each in parts}
    after = {"".join(each[at:][1:]) for each in parts}
    end = {name[len(stem(name)) :] for name in names}
    if not names or len(end) > 1:
        return ""
    (end,), band = end, band or parts[0][at]
    if len(after) == 1 and "" not in before:
        return "{id}" + parts[0][at - 1] + band + after.pop() + end
    if len(before) == 1 and "" not in after:
        return before.pop() + band + parts[0][at + 1] + "{id}" + end
    return ""


def _part(parts, place):
    return parts[place] if -len(parts) <= place < len(parts) else ""


def _is_kind(part):
    """Whether a part of a name looks like a band, or like what distinguishes an image from its weights or its mask."""
    return part.lower() in NOT_SCIENCE or part.lower() in SCIENCE or BAND.fullmatch(part) is not None
