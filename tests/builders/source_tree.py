"""The package's source as a graph: its modules and what each of them imports."""

import ast
from functools import cache
from pathlib import Path

import galvae

PACKAGE = Path(galvae.__file__).parent
ROOT = PACKAGE.parent
MODULES = {
    ".".join(("galvae", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


@cache
def tree(module):
    """The syntax tree of a module."""
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@cache
def imports(module, late=True):
    """Names of the modules that a module imports, those inside functions included unless `late` is False."""
    parsed = tree(module)
    inside = set() if late else {node for function in _functions(parsed) for node in ast.walk(function)}
    found = set()
    for node in ast.walk(parsed):
        if node in inside:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            # `from galvae.models import losses` imports galvae.models.losses.
            found |= {
                name if (name := f"{node.module}.{alias.name}") in MODULES else node.module
                for alias in node.names
            }
    return frozenset(found)


def late_imports(module):
    """Lines of the import statements inside a module's functions."""
    return sorted(
        {
            node.lineno
            for function in _functions(tree(module))
            for node in ast.walk(function)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
    )


def _functions(parsed):
    """All functions of a syntax tree, methods and functions in functions included."""
    return [node for node in ast.walk(parsed) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def within(names, *packages):
    """Those of the names that are, or lie in, one of the packages."""
    return {name for name in names if any(name == p or name.startswith(f"{p}.") for p in packages)}
