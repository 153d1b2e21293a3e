"""What a run learns once it is trained: the codes of its galaxies, the noise of real images, a prior, a reference."""

import logging

from galvae.errors import GalvaeError
from galvae.runs.noise import learn_noise
from galvae.runs.prior_fits import fit_priors, lines
from galvae.runs.reference import keep_reference
from galvae.runs.stored_run import StoredRun
from galvae.runs.trained_run import TrainedRun

PRIORS = "gaussian", "mixture"  # those that take seconds
MOST_CODES = 20_000  # to which they are fitted

log = logging.getLogger(__name__)


def learn_after_training(run, dataset):
    """Keeps the codes of a run whose training has ended, learns the noise of its residuals and fits priors.

    The codes of all galaxies are kept so that later commands need no images where codes will do, and a reference by
    which they recognise other galaxies than those of the training data.

    The model is built again, in float32, as later commands have it: in bfloat16, with which it may have been trained,
    codes would be rounded to three digits.

    Noise is learned where the likelihood says what a residual is, reconstruction.loss=gaussian; priors are fitted
    unless the configuration says prior=none. A run whose galaxies allow neither is finished without, and says so.

    Args:
        run: RunDirectory, with the checkpoint of the last epoch.
        dataset: GalaxyDataset.

    Returns:
        TrainedRun.
    """
    checkpoint, state = run.checkpoint()
    stored = StoredRun(run, state, checkpoint)
    stored.dataset = dataset
    trained = TrainedRun.of(stored, force=True)
    trained.codes("all")
    keep_reference(trained)
    try:
        if run.config.reconstruction.loss == "gaussian":
            learn_noise(trained)
    except GalvaeError as error:
        log.warning("galaxies are generated without noise: %s", error)
    try:
        if run.config.prior == "auto":
            for line in lines(fit_priors(trained, PRIORS, run.config.seed, MOST_CODES)):
                log.info("%s", line)
    except GalvaeError as error:
        log.warning("galaxies are generated from the prior of the training: %s", error)
    return trained
