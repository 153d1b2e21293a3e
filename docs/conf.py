"""Sphinx builds the site from these Markdown pages: python -m sphinx -b html -W docs outputs/docs."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
project = "galvae"
author = "The galvae developers"
release = re.search(r'__version__ = "(.+?)"', (ROOT / "galvae" / "__init__.py").read_text())[1]
extensions = ["myst_parser"]
myst_enable_extensions = ["attrs_block", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3  # so that links to sections are checked
html_theme = "furo"
html_title = f"galvae {release}"
html_extra_path = ["explorer.html"]  # the live page, linked from exploring.md
exclude_patterns = ["_build"]
nitpicky = True  # a link inside the site that leads nowhere is a warning, and -W makes it an error
