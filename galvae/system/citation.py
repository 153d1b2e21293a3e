"""How to cite galvae: CITATION.cff, the one place that says it, as a line and as BibTeX."""

from pathlib import Path

import yaml

# Beside the package's modules where it is installed, else at the root of the checkout.
FILE = next(
    folder / "CITATION.cff"
    for folder in (Path(__file__).parents[1], Path(__file__).parents[2])
    if (folder / "CITATION.cff").is_file()
)


def citation():
    """How to cite galvae, as a line of plain text."""
    facts = _facts()
    where = "".join(f", {facts[name]}" for name in ("doi", "url") if name in facts)
    return f'{", ".join(_authors(facts))}, "{facts["title"]}", version {facts["version"]}{where}'


def bibtex():
    """How to cite galvae, as an entry for BibTeX."""
    facts = _facts()
    entries = {
        # In braces of their own, so that the words of an institution are not taken for names.
        "author": " and ".join(f"{{{name}}}" for name in _authors(facts)),
        "title": f"{{{facts['title']}}}",
        "version": facts["version"],
        "year": str(facts["date-released"])[:4] if "date-released" in facts else None,
        "doi": facts.get("doi"),
        "url": facts.get("url"),
    }
    lines = [f"  {name:8}= {{{value}}}," for name, value in entries.items() if value is not None]
    return "\n".join(["@software{galvae,", *lines, "}"])


def _facts():
    """The content of CITATION.cff."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def _authors(facts):
    """Names of the authors, persons and others; see the Citation File Format, version 1.2.0."""
    return [
        author.get("name") or f"{author.get('given-names', '')} {author['family-names']}".strip()
        for author in facts["authors"]
    ]
