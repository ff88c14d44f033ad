"""What libraries say to their own developers, silenced."""

import logging
import warnings

SAID = (
    r".*module\(s\) in eval mode at the start of training",  # as encoder.freeze has them
    ".*Checkpoint directory .* exists and is not empty",
    ".*LeafSpec",
    ".*does not have many workers",
    ".*Previous log files in this directory will be deleted",  # `loggers.continue_csv` has read their lines
    ".*smaller than the logging interval",  # short epochs have few losses, no harm
    "Metric `Kernel Inception Distance` will save",
)


def quiet() -> None:
    """Silence warnings and log lines of Lightning and torchmetrics that are true of every run here; for commands."""
    for message in SAID:
        warnings.filterwarnings("ignore", message)
    for library in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(library).setLevel(logging.WARNING)
