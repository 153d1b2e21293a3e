"""galvae prior: fit the distribution of a run's codes, from which its galaxies are then generated."""

import logging

from galvae import figures
from galvae.data.summary import galaxies_of
from galvae.latent.priors.of_model import PRIORS
from galvae.runs.noise import learn_noise
from galvae.runs.prior_fits import fit_priors, lines
from galvae.runs.reference import keep_reference
from galvae.runs.trained_run import TrainedRun
from galvae.system.atomic import save_json

log = logging.getLogger(__name__)


def main(config, output_dir):
    """Fits priors to a run, chooses one, prints a line for each, and learns its noise and its reference.

    Args:
        config: PriorConfig.
        output_dir: directory of the report, prior.json, and its figure.

    Raises:
        GalvaeError: if the run has too few galaxies, or cannot be written to.
    """
    run = TrainedRun.open(config.run, config.backend, vars(config.dataset), config.force)
    names = [name for name in PRIORS if name != "normal"] if config.prior == "auto" else [config.prior]
    report = fit_priors(run, names, config.seed, config.most)
    if run.images_missing:
        log.info("the noise of residuals and the reference of reconstructions are not learned")
    else:
        learn_noise(run)
        keep_reference(run)
    save_json(output_dir / "prior.json", report)
    note = galaxies_of(run.galaxies, run.galaxies.split("val"))
    figures.save(figures.priors(report), output_dir / "priors", figures.Style.of(config), note)
    print(f"priors of {run.path}, weights of epoch {run.state.best_epoch}")
    for line in lines(report):
        print(line)
