"""galvae export: make a run ready for others."""

from galvae.export.bundle import export_bundle
from galvae.export.galsim_config import write_galsim_config
from galvae.runs.trained_run import TrainedRun


def main(config, output_dir):
    """Writes a bundle, the model as ONNX, or what GalSim draws its galaxies from, and prints how to use it.

    Args:
        config: ExportConfig.
        output_dir: directory of the results.

    Raises:
        GalvaeError: if the run lacks what the target needs, or a package for it is not installed.
    """
    run = TrainedRun.open(config.run, config.backend, vars(config.dataset), config.force)
    if config.target == "onnx":
        from galvae.export.onnx import export_onnx  # late: optional packages

        paths = export_onnx(run, output_dir)
        print(f"for programs without galvae: {', '.join(path.name for path in paths)}")
        return
    name = config.name or f"{run.config.dataset.name}_{run.config.model.name}_z{run.config.latent_dim}"
    about = {"name": name, "licence": config.licence, "description": config.description}
    path = export_bundle(run, output_dir, name, about, config.galaxies, config.zip)
    print(f"a bundle of {run.path}, weights of epoch {run.state.best_epoch}: {path.name}")
    if config.target == "bundle":
        print(f'open it anywhere: galvae.open_run("{path.name}"), galvae info run={path.name}')
    else:
        configuration = write_galsim_config(run, path)
        print(f"draw 100 of its galaxies where both files are: galsim {configuration.name}")
