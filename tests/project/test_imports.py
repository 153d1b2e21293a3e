"""The arrows of the house: which room knows which, read from the imports of every module."""

import ast

from builders.source_tree import MODULES, ROOT, imports, late_imports, tree, within

BACKENDS = ("tensorflow", "jax", "torch")
LONGEST = 350  # lines of a module
MOST_LATE = 67  # imports inside functions, of the whole package

# Every room, the lowest first, and the rooms that it may import from, all of them lower. "galvae" is the package
# itself: its version, and the Python API, which looks for the rooms when it is called.
ROOMS = {
    "errors": (),
    "stretch": (),
    "system": ("errors",),
    "config": ("errors", "system"),
    "morphology": ("errors", "system"),
    "data": ("errors", "stretch", "system"),
    "backend": ("errors", "system"),
    "models": ("errors", "stretch", "backend"),
    "figures": ("stretch", "system"),
    "latent": ("errors", "system", "data", "backend", "models"),
    "noise": ("errors", "system"),
    "runs": ("galvae", "errors", "system", "config", "data", "backend", "models", "latent", "noise"),
    "training": ("errors", "system", "data", "backend", "models", "figures", "latent", "runs"),
    "export": (
        *("galvae", "errors", "stretch", "system", "config", "morphology", "data", "backend", "models"),
        *("latent", "runs"),
    ),
    "analysis": (
        *(
            "errors",
            "stretch",
            "system",
            "config",
            "morphology",
            "data",
            "backend",
            "models",
            "latent",
            "runs",
        ),
    ),
    "explorer": (
        *("galvae", "errors", "system", "config", "data", "models", "latent", "noise", "runs", "analysis"),
    ),
    "commands": (
        *("errors", "system", "data", "backend", "models", "figures", "latent", "runs", "training", "export"),
        *("analysis", "explorer"),
    ),
    "cli": ("galvae", "errors", "system", "config", "backend", "runs"),  # commands are found by name, late
    "launchers": ("errors", "system", "config", "cli", "runs"),
    "__main__": ("cli",),
    "galvae": ("backend", "runs", "analysis"),
}

# Packages that only some rooms may import.
FOREIGN = {
    **dict.fromkeys(BACKENDS, ("backend",)),
    "keras": ("backend", "models", "latent", "runs", "training", "export", "analysis"),
    **dict.fromkeys(("hydra", "omegaconf"), ("cli", "config", "launchers")),
    "matplotlib": ("figures",),
    "astropy": ("data",),
    "h5py": ("data",),
    **dict.fromkeys(("umap", "sklearn"), ("latent", "analysis")),
    **dict.fromkeys(("numba", "statmorph"), ("morphology",)),
    "submitit": ("launchers", "runs"),
    "optuna": ("launchers", "runs"),
    **dict.fromkeys(("onnx", "onnxruntime", "tf2onnx"), ("export",)),
    "galsim": ("data",),
    **dict.fromkeys(("tensorboard", "wandb"), ("training",)),
}

# What single modules leave to their room's others.
LEFT_TO_OTHERS = {
    **dict.fromkeys(
        [f"galvae.training.{name}" for name in ("fit", "callbacks", "schedules", "state")],
        ("galvae.data", "galvae.models", "galvae.figures", "galvae.latent"),
    ),
    **dict.fromkeys(
        [f"galvae.runs.{name}" for name in ("directory", "checkpoints", "resume", "sweep")],
        ("galvae.backend", "galvae.latent"),
    ),
}

# What can be imported before the backend is chosen, since Keras takes it when it is imported.
BEFORE_KERAS = {
    *within(
        MODULES,
        *(
            f"galvae.{room}"
            for room in ("errors", "stretch", "system", "config", "morphology", "data", "figures")
        ),
    ),
    *within(MODULES, "galvae.cli", "galvae.launchers", "galvae.__main__"),
    *("galvae", "galvae.backend.setup", "galvae.backend.hardware"),
    *("galvae.runs.directory", "galvae.runs.checkpoints", "galvae.runs.sweep", "galvae.runs.resume"),
    "galvae.export.galsim_galaxy",
    *(f"galvae.models.networks.{name}" for name in ("plan", "parts", "smooth")),
    *("galvae.runs.bundles", "galvae.runs.description", "galvae.commands.info"),
    *within(MODULES, "galvae.explorer", "galvae.training.trackers"),
    *("galvae.commands.explore", "galvae.runs.stored_run", "galvae.latent.priors.of_model"),
}


def room(module):
    """The room of a module of galvae."""
    return module.split(".")[1] if "." in module else module


def reached(module, late):
    """All modules of galvae that importing a module leads to; `late` as of `imports`."""
    found, rest = set(), [module]
    while rest:
        # The package's own functions look for the rooms when they are called; nothing waits for them.
        module = rest.pop()
        new = (imports(module, late and module != "galvae") & set(MODULES)) - found
        found |= new
        rest += new
    return found


def test_every_module_is_read():
    assert {"galvae.cli.main", "galvae.data.load", "galvae.models.vae", "galvae.commands.train"} <= set(
        MODULES
    )
    assert "galvae.models.losses" in imports("galvae.models.vae")
    assert "keras" in imports("galvae.models.losses")


def test_no_room_imports_from_a_higher_one():
    order = [name for name in ROOMS if name != "galvae"]
    for place, name in enumerate(order):
        assert set(ROOMS[name]) <= {"galvae", *order[:place]}, name


def test_arrows():
    for module in MODULES:
        found, here = imports(module), room(module)
        assert here in ROOMS, f"{here} is a new room: give it a line in ROOMS"
        assert {room(name) for name in found & set(MODULES)} - {here} <= set(ROOMS[here]), module
        for package, rooms in FOREIGN.items():
            assert here in rooms or not within(found, package), (module, package)
        assert not within(found, *LEFT_TO_OTHERS.get(module, ())), module


def test_no_module_imports_itself_by_a_detour():
    assert not [module for module in MODULES if module in reached(module, late=True)]


def test_keras_is_imported_late_where_its_backend_is_not_yet_chosen():
    for module in BEFORE_KERAS:
        for name in {module, *reached(module, late=False)}:
            assert not within(imports(name, late=False), "keras", *BACKENDS), (module, name)


def test_imports_stand_at_the_top_but_for_few():
    found = [f"{module}:{line}" for module in sorted(MODULES) for line in late_imports(module)]
    assert len(found) <= MOST_LATE, found


def test_a_module_is_short():
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in MODULES.items()}
    assert not {module: length for module, length in lengths.items() if length > LONGEST}


def test_nothing_is_unpickled_or_evaluated():
    for module, path in MODULES.items():
        pickles = within(imports(module), "pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal")
        # It talks to its own child, over pipes that no other process has.
        assert not pickles or module == "galvae.system.child", module
        for node in ast.walk(tree(module)):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            options = {option.arg: ast.unparse(option.value) for option in node.keywords}
            where = f"{module}:{node.lineno}"
            assert name not in ("eval", "exec", "compile", "np.loadtxt", "np.genfromtxt"), where
            assert name not in ("yaml.load", "yaml.unsafe_load", "yaml.full_load"), where
            assert not name.endswith(("load_model", "load_weights")), where
            assert options.get("allow_pickle", "False") == "False", where
            assert options.get("shell", "False") == "False", where
            # NumPy's default refuses objects; said all the same, so that it is not left to a default.
            assert name != "np.load" or "allow_pickle" in options, where
        if room(module) != "launchers":
            assert "_target_" not in path.read_text(encoding="utf-8"), module


def test_targets_stand_only_where_hydra_needs_them():
    conf = ROOT / "conf"
    files = [path for path in conf.rglob("*.yaml") if "_target_" in path.read_text(encoding="utf-8")]
    assert files and all(path.is_relative_to(conf / "hydra") for path in files)
