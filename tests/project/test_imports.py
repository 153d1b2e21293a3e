"""The arrows of the design, read from the imports of every module."""

import ast
from pathlib import Path

import pytest

import galvae

PACKAGE = Path(galvae.__file__).parent
MODULES = {
    ".".join(("galvae", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
BACKENDS = {"tensorflow", "jax", "torch"}


def imports(module, late=True):
    """Names of the modules that a module imports, those inside functions included unless `late` is False."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree) if late else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            # `from galvae import losses` imports galvae.losses.
            found |= {
                name if (name := f"{node.module}.{alias.name}") in MODULES else node.module
                for alias in node.names
            }
    return found


def within(names, *packages):
    return {name for name in names if any(name == p or name.startswith(f"{p}.") for p in packages)}


def test_every_module_is_read():
    assert {"galvae.cli", "galvae.data", "galvae.models.vae", "galvae.commands.train"} <= set(MODULES)
    assert "galvae.losses" in imports("galvae.models.vae")
    assert "keras" in imports("galvae.losses")


@pytest.mark.parametrize("module", sorted(MODULES))
def test_arrows(module):
    found = imports(module)
    if module.startswith("galvae.data"):
        known = ("galvae.data", "galvae.errors", "galvae.stretch", "galvae.atomic", "galvae.untrusted")
        assert not within(found, "galvae") - within(found, *known), "data knows these only"
        assert not within(found, "keras")
    if module.startswith("galvae.models"):
        assert not within(found, "galvae.data", "galvae.run", "galvae.training", "galvae.figures")
    if within({module}, "galvae.figures"):
        assert not within(found, "galvae", "keras") - within(found, "galvae.figures", "galvae.atomic")
        assert not within(found, "astropy", "umap", "sklearn")
    if within({module}, "galvae.config"):
        assert not within(found, "galvae") - within(found, "galvae.config", "galvae.errors")
    if module in ("galvae.losses", "galvae.metrics", "galvae.schedules", "galvae.errors", "galvae.stretch"):
        assert within(found, "galvae") <= {"galvae.errors"}
    if module in ("galvae.latent", "galvae.evaluation", "galvae.nearest", "galvae.embedding", "galvae.table"):
        assert not within(found, "galvae.figures", "galvae.run", "galvae.training", "galvae.models")
    if module == "galvae.untrusted":
        assert within(found, "galvae") <= {"galvae.errors"}
    if module in ("galvae.training", "galvae.keeper"):
        assert not within(found, "galvae.data", "galvae.models", "galvae.run", "galvae.commands")
    if module == "galvae.run":
        assert not within(found, "galvae.training", "galvae.figures", "galvae.latent", "galvae.devices")
    if module not in ("galvae.cli", "galvae.__main__"):
        assert not within(found, "galvae.cli")
    assert not within(found, "galvae.commands"), "commands are found by name, late"
    if module not in ("galvae.cli", "galvae.help") and not module.startswith("galvae.plugins"):
        assert not within(found, "hydra", "omegaconf")
    if not within({module}, "galvae.devices"):
        assert not within(found, *BACKENDS)


@pytest.mark.parametrize(
    "module",
    [
        *sorted(within(MODULES, "galvae.devices") - {"galvae.devices.fused"}),
        *("galvae.run", "galvae.checkpoints", "galvae.validation"),
    ],
)
def test_keras_is_imported_late_where_its_backend_is_not_yet_chosen(module):
    late = ("keras", *BACKENDS, "galvae.devices.fused", "galvae.models", "galvae.training", "galvae.keeper")
    assert not within(imports(module, late=False), *late)


def test_nothing_is_unpickled_or_evaluated():
    for module, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        assert not within(imports(module), "pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"), (
            module
        )
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            options = {option.arg: ast.unparse(option.value) for option in node.keywords}
            where = f"{module}:{node.lineno}"
            assert name not in ("eval", "exec", "compile", "np.loadtxt", "np.genfromtxt"), where
            assert name not in ("yaml.load", "yaml.unsafe_load", "yaml.full_load"), where
            assert not name.endswith(("load_model", "load_weights")) or name == "run.load_model", where
            assert options.get("allow_pickle", "False") == "False", where
            assert options.get("shell", "False") == "False", where
            # NumPy's default refuses objects; said all the same, so that it is not left to a default.
            assert name != "np.load" or "allow_pickle" in options, where
        if not module.startswith("galvae.plugins"):
            assert "_target_" not in text, module


def test_targets_stand_only_where_hydra_needs_them():
    conf = PACKAGE.parent / "conf"
    files = [path for path in conf.rglob("*.yaml") if "_target_" in path.read_text(encoding="utf-8")]
    assert all(path.is_relative_to(conf / "hydra") for path in files)
