"""Information in the latent dimensions, and how many of them are active."""

import logging

import numpy as np

from galvae.analysis.report import Report
from galvae.data.catalogue import code_columns
from galvae.latent.information import active_units, information, information_unit

FEW = 20  # fewer galaxies give unreliable variances of codes

log = logging.getLogger(__name__)


def measure(run, indices, config, columns):
    """Measures the information in the latent dimensions, and how many of them are active.

    Args:
        run, indices, config, columns: see `galvae.analysis.evaluators`.

    Returns:
        Report, whose columns are the codes of each galaxy and their errors.
    """
    if len(indices) < FEW and "kl" in run.model.terms:
        log.warning(
            "%d galaxies are too few to count active units reliably; split=all has more", len(indices)
        )
    codes = run.codes_at(indices)
    values, unit = information(codes.mean, codes.log_variance), information_unit(codes.log_variance)
    # A plain autoencoder has none to count: the threshold is a fraction of the prior's variance.
    active = None if codes.log_variance is None else active_units(codes.mean)
    count = None if active is None else int(active.sum())
    columns = code_columns(codes.mean)
    if codes.std is not None:
        columns |= code_columns(codes.std, "code_error")
    return Report(
        question="How informative is each latent dimension about a galaxy?",
        perfect="every dimension is active (not counted for a plain autoencoder, whose codes have no prior)",
        chance="0 nats in every dimension: the posterior has collapsed to the prior",
        summary={
            f"{'kl' if unit == 'nats' else unit}_per_dimension": values.tolist(),
            "active_units": count,
        },
        columns={name: (column, None) for name, column in columns.items()},
        arrays={
            "latent": {
                "indices": indices,
                "mean": codes.mean,
                # Of which pairs are drawn: means vary less than the prior even where posteriors fit it.
                "sample": codes.sample(config.seed).astype(np.float32),
                "information": values,
            }
        },
        facts={
            "unit": unit,
            "active": active,
            "latents": config.latents,
            "has_posterior": codes.log_variance is not None,
        },
        lines=[] if count is None else [f"  active units     {count}"],
    )


def column_names(run):
    """Names of the columns that `measure` returns."""
    codes = np.zeros((0, run.model.latent_dim))
    errors = code_columns(codes, "code_error") if "kl" in run.model.terms else {}
    return [*code_columns(codes), *errors]
