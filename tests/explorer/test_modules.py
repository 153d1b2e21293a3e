"""The page's JavaScript modules, of which one script is made without a parser."""

import collections
import re

import pytest

from galvae.explorer import modules as modules_module
from galvae.explorer.modules import EXPORT, IMPORT, WEB, bundled, styles

MODULES = sorted(path.relative_to(WEB).as_posix() for path in WEB.glob("**/*.js"))
LONGEST = 350  # lines of a module, as of those of Python


def test_the_page_holds_every_module_once_and_nothing_is_imported_any_more():
    script = bundled("app.js")
    assert not re.search(r"^\s*(import|export)\b", script, re.MULTILINE)
    names = re.findall(r"^(?:async )?(?:function\*?|class|const|let|var) (\w+)", script, re.MULTILINE)
    assert [name for name, count in collections.Counter(names).items() if count > 1] == []
    for module in MODULES:
        text = EXPORT.sub("", IMPORT.sub("", (WEB / module).read_text(encoding="utf-8")))
        assert script.count(text) == 1, f"{module} is not in the page"
    assert all((WEB / path).read_text(encoding="utf-8") in styles() for path in WEB.glob("**/*.css"))


@pytest.mark.parametrize("module", MODULES)
def test_what_a_module_exports_is_used_and_described(module):
    text, script = (WEB / module).read_text(encoding="utf-8"), bundled("app.js")
    assert len(text.splitlines()) <= LONGEST
    for before, name in re.findall(r"(.*)\nexport (?:async )?(?:function|class|const) (\w+)", text):
        assert len(re.findall(rf"\b{name}\b", script)) > 1, f"{name} is not used"
        assert before.endswith("*/") or before.startswith("//"), f"{name} has no description"


def test_modules_that_import_each_other_stand_once_after_what_they_need(tmp_path, monkeypatch):
    imports = {"app": "one", "one": "two", "two": "one"}
    for name, other in imports.items():
        text = f'import {{ {other} }} from "./{other}.js";\nexport const {name} = 1;\n'
        (tmp_path / f"{name}.js").write_text(text)
    monkeypatch.setattr(modules_module, "WEB", tmp_path)
    assert bundled("app.js").split() == [
        "const",
        "two",
        "=",
        "1;",
        "const",
        "one",
        "=",
        "1;",
        "const",
        "app",
        "=",
        "1;",
    ]


def test_nothing_in_the_page_leads_to_the_web_before_a_click():
    page = (WEB / "page.html").read_text(encoding="utf-8") + styles() + bundled("app.js")
    assert not re.search(r"""(src|href|url\()\s*=?\s*["'(]?\s*(https?:)?//""", page)
    assert "innerHTML" not in page and "insertAdjacentHTML" not in page and "document.write" not in page
