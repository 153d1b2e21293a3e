"""Start of a new run from another run's weights, instead of random ones."""

import logging

from galvae.config.check import flatten
from galvae.errors import GalvaeError
from galvae.models.build import outline
from galvae.runs import checkpoints
from galvae.runs.directory import RunDirectory

# Keys of model and network that say what random weights are or how they are trained, not what they mean.
FREE = ("model.prediction_weight", "network.initializer", "network.output_bias")

log = logging.getLogger(__name__)


class Start:
    """The best weights of a run, or of a bundle, from which a run of the same architecture begins.

    Args:
        config: TrainConfig of the new run, whose `init` is the directory of the other one.

    Raises:
        GalvaeError: if there is no such run or it has no checkpoint, or its model is another one, naming the first
            key that differs.
    """

    def __init__(self, config):
        self._config, self.path = config, config.init
        try:
            directory = RunDirectory.open(config.init)
            newest = directory.checkpoint()
        except GalvaeError as error:
            raise GalvaeError(f"init: {str(error).removeprefix('run: ')}") from error
        if newest is None:
            raise GalvaeError(
                f"init: {self.path}: no checkpoint yet; expected a run that has finished an epoch or more"
            )
        self._checkpoint, self._state = newest
        theirs, own = _architecture(directory.config), _architecture(config)
        for name in {**theirs, **own}:
            key = name.removesuffix(".name")
            self._check_equal(
                f"{key}=", theirs.get(name), own.get(name), f"; {key}={_typed(theirs.get(name))} fits"
            )

    @property
    def facts(self):
        """What the new run's environment.json says of its start, a dict."""
        return {
            "run": self.path,
            "weights_sha256": checkpoints.weights_digest(self._checkpoint),
            "epoch": self._state.best_epoch,
        }

    def check(self, dataset):
        """Checks that the weights are for such images and conditions; says whether their scale is another one.

        Args:
            dataset: GalaxyDataset of the new run.

        Raises:
            GalvaeError: if the images have another shape, there are other conditions, or variables differ.
        """
        state = self._state
        self._check_equal("images of shape ", state.image_shape, list(dataset.image_shape))
        if self._conditional:
            self._check_equal("conditions ", state.condition_names, dataset.condition_names)
        variables, _ = outline(self._config, dataset.image_shape, len(dataset.condition_names))
        try:
            checkpoints.check_shapes(self._checkpoint, "best", variables)
        except GalvaeError as error:
            raise GalvaeError(f"init: {self.path}: {error}") from error
        log.info("init: training starts from the weights of epoch %d of %s", state.best_epoch, self.path)
        scales = [
            f"{low:.6g} to {high:.6g}, stretch {stretch}"
            for (low, high), stretch in (
                (state.pixel_range, state.stretch),
                (dataset.pixel_range, dataset.stretch),
            )
        ]
        if scales[0] != scales[1]:
            log.info("init: stored values there become 0 and 1 at %s; here at %s", *scales)

    def restore(self, model):
        """Gives a model the weights; its random numbers stay those of its own seed.

        The scale of the conditions is that with which the weights were trained.

        Args:
            model: a built model of galvae.models.

        Raises:
            GalvaeError: if the weights cannot be read, or are not finite.
        """
        arrays = checkpoints.read_arrays(self._checkpoint, "best")
        weights = [variable for variable in model.variables if "float" in variable.dtype]
        checkpoints.restore(
            weights, {name: array for name, array in arrays.items() if array.dtype.kind == "f"}
        )

    @property
    def _conditional(self):
        return hasattr(self._config.model, "condition_scaling")

    def _check_equal(self, name, theirs, own, remedy=""):
        if theirs != own:
            theirs, own = _typed(theirs), _typed(own)
            raise GalvaeError(
                f"init: {self.path}: expected a run of the same architecture, with {name}{own}, received one with "
                f"{name}{theirs}{remedy}"
            )


def _architecture(config):
    """The keys that say which weights a model has and what they mean, with their values, in their order."""
    names = ("model", "network", "latent_dim")
    values = {key: value for key, value in flatten(config).items() if key.partition(".")[0] in names}
    values = {key: value for key, value in values.items() if key not in FREE}
    if config.reconstruction.loss != "gaussian":
        return {**values, "reconstruction.loss": "mse or bce"}
    return {**values, "reconstruction.loss": "gaussian", "reconstruction.noise": config.reconstruction.noise}


def _typed(value):
    """A value as one types it."""
    return f"[{','.join(map(str, value))}]" if isinstance(value, list) else value
