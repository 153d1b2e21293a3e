"""hydra/sweeper=optuna: a search for the best keys, whose trials are the jobs of a sweep."""

import importlib.util
import re

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra_plugins._commands import check
from omegaconf import ListConfig, OmegaConf

from galvae.errors import GalvaeError
from galvae.system.atomic import replacing

KEY = "hydra.sweeper"
DIRECTIONS = ("minimize", "maximize")
# Numbers of which everybody wants less, or more; of any other, hydra.sweeper.direction says it.
KNOWN = {
    "minimize": re.compile(
        r"val_loss|val_reconstruction|card\.(.+\.)?(w1|ks|auc|auc_logistic)|prior\.nats\.value|"
        r"scores\.(loss|reconstruction|bce|mse)\.(mean|median)|seconds|peak_memory_mb"
    ),
    "maximize": re.compile(r"scores\.(psnr|ssim|r2)\.(mean|median)|images_per_second"),
}
CHOICES = {"sampler": ("tpe", "nsga2", "random"), "pruner": ("none", "median", "hyperband")}


class OptunaSweeper(Sweeper):
    """Chooses the keys of each trial by what earlier trials have reached.

    Trials are asked for in batches of as many as the launcher runs at a time; a batch ends with its slowest trial, and
    its trials know nothing of each other's results.

    Args:
        trials: number of trials, those of earlier calls included.
        objective: name of the number that is compared, or list of names, see `galvae.runs.search.number_at`. Numbers of
            metrics.json and those of cards are of validation galaxies.
        direction: "minimize", "maximize", or a list with one of them for each objective; None: what is known.
        sampler, seed, startup: how keys are chosen, see `hydra_plugins._search.sampler`.
        pruner, grace: what stops hopeless trials, see `galvae.runs.study.pruner`.
        storage: URL of a database; None: a file in the sweep's directory.
        study: name of the study in a database, or None.
        params: dict of further keys that are searched over, or None.
    """

    def __init__(
        self, trials, objective, direction, sampler, seed, startup, pruner, grace, storage, study, params
    ):
        check("trials", trials, null=False, group=KEY)
        check("seed", seed, 0, null=False, group=KEY)
        check("startup", startup, null=False, group=KEY)
        check("grace", grace, group=KEY)
        pruner = "none" if pruner is None else pruner
        for name, value in (("sampler", sampler), ("pruner", pruner)):
            if value not in CHOICES[name]:
                raise GalvaeError(f"{KEY}.{name}: expected {' or '.join(CHOICES[name])}, received {value!r}")
        for name, value in (("storage", storage), ("study", study)):
            if value is not None and not (isinstance(value, str) and value):
                raise GalvaeError(f"{KEY}.{name}: expected a text or null, received {value!r}")
        if storage is not None and "://" not in storage:
            raise GalvaeError(
                f"{KEY}.storage: expected the URL of a database, as postgresql://host/name, or null: a file in the "
                f"sweep's directory, received {storage!r}"
            )
        if study is not None and storage is None:
            raise GalvaeError(f"{KEY}.study: expected null without {KEY}.storage, received {study!r}")
        self.trials, self.seed, self.startup, self.grace = trials, seed, startup, grace
        self.sampler, self.storage, self.study = sampler, storage, study
        self.pruner = None if pruner == "none" else pruner
        self.params = dict(params or {})
        self.objectives = _objectives(objective)
        self.directions = _directions(direction, self.objectives)
        if self.pruner and len(self.objectives) > 1:
            raise GalvaeError(
                f"{KEY}.pruner: expected none with several objectives, of which no single loss is a measure, received "
                f"{pruner}"
            )

    def setup(self, *, hydra_context, task_function, config):
        if task_function.name != "train":
            raise GalvaeError(f"hydra/sweeper=optuna: expected galvae train, received {task_function.name}")
        if importlib.util.find_spec("optuna") is None:
            raise GalvaeError(
                "hydra/sweeper=optuna: expected Optuna to be installed, as by pip install -e '.[optuna]'"
            )
        self.context, self.task, self.config = hydra_context, task_function, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments):
        from hydra_plugins._search import Search  # late: an optional package

        given = {key: "null" if value is None else value for key, value in self.params.items()}
        words = [*(f"{key}={value}" for key, value in given.items()), *arguments]
        search = Search(self, words)
        with search.opened():
            with replacing(search.folder / "multirun.yaml") as beside:
                beside.touch(0o600 if self.storage else 0o666)  # the URL of a database may hold a password
                OmegaConf.save(self.config, beside)
            search.run()


def _objectives(given):
    """The names of the objectives, as a list.

    Raises:
        GalvaeError: if they are no different texts.
    """
    names = list(given) if isinstance(given, list | tuple | ListConfig) else [given]
    if (
        not names
        or len(set(map(str, names))) < len(names)
        or not all(isinstance(n, str) and n for n in names)
    ):
        raise GalvaeError(
            f"{KEY}.objective: expected the name of a number, as val_loss or card.w1, or a list of different ones, "
            f"received {given}"
        )
    return names


def _directions(given, objectives):
    """Whether each objective is minimised or maximised, as a list.

    Raises:
        GalvaeError: if that is not given and not known, or not given for each.
    """
    if given is None:
        found = [next((way for way in DIRECTIONS if KNOWN[way].fullmatch(name)), None) for name in objectives]
        if None in found:
            unknown = objectives[found.index(None)]
            raise GalvaeError(
                f"{KEY}.direction: expected minimize or maximize, since less or more of {unknown} may be better, "
                "received null"
            )
        return found
    ways = list(given) if isinstance(given, list | tuple | ListConfig) else [given] * len(objectives)
    if len(ways) != len(objectives) or not set(ways) <= set(DIRECTIONS):
        raise GalvaeError(
            f"{KEY}.direction: expected minimize or maximize, or one of them for each of the {len(objectives)} "
            f"objectives, received {given}"
        )
    return ways
