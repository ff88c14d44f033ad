"""Hand a trained network to another runtime, and check what was written by running it there.

    python export.py checkpoint=runs/…/best.ckpt format=onnx fold=true

Batch size, height and width stay free. conf/export.yaml has every key.
"""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from study import command_line, run_folder


@hydra.main(version_base="1.3", config_path="conf", config_name="export")
def main(config: DictConfig) -> None:
    """Load, write, check, and say how well it agrees."""
    with run_folder.one_sentence(config.debug):
        if config.checkpoint is None:
            raise ValueError("checkpoint is not set; name a run's file or a zoo entry: checkpoint=PATH or zoo:NAME")
        command_line.refuse_absent(str(config.checkpoint))
        print(command_line.IMPORTING_TORCH, flush=True)
        from models import loading  # here, not above, so that --help and a typo answer at once
        from models.trained.export import export, place

        net = loading.load(config.checkpoint)
        path = Path(config.output) if config.output else place(config.checkpoint, config.format)
        print(f"Tracing {config.checkpoint}, writing {path}, running it (minutes for large encoders) ...", flush=True)
        written = export(net, path, config.format, config.preprocess, config.fold)
    before, after = written.operations
    shapes = ", ".join("x".join(map(str, shape)) for shape in written.shapes)
    print(
        f"{written.path}: {written.path.stat().st_size / 1e6:.2f} MB; operations in the graph: {before} as built, "
        f"{after} as written\nAgrees with PyTorch on inputs of {shapes}: "
        f"largest error {written.error:.1e}"
    )


if __name__ == "__main__":
    command_line.start(main, "export")
