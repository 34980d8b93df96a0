"""Make initial weights for a ResNet out of EfficientNet-Lite0's ImageNet weights, without labels.

    python scripts/distil.py --model resnet18 --data DIR --output weights/resnet18-distilled.safetensors
    python train.py --model resnet18 --data DIR --pretrained weights/resnet18-distilled.safetensors

For where ImageNet weights of the ResNets cannot be fetched. Of each ``--data`` folder only the
training part is seen, as ``train.py`` with the same ``--seed`` divides it.
"""  # noqa: E501

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from retina.cli.exits import DONE, Parser, exit_status
from retina.errors import SettingsError


def main() -> int:
    """Read the flags and distil."""
    parser = Parser(description="Initial weights for a ResNet, learned from EfficientNet-Lite0.")
    add = parser.add_argument
    add("--model", default="resnet18", metavar="NAME", help="the student (resnet18)")
    add(
        "--data",
        action="append",
        default=[],
        metavar="DIR|synthetic",
        help="repeatable: a folder as for train.py, of which the training part is seen; the "
        "student's normalisation is the first one's",
    )
    add(
        "--unlabelled",
        action="append",
        default=[],
        metavar="DIR",
        help="repeatable: a folder of photographs, all seen, on which nothing will be tested",
    )
    add("--passes", type=int, default=8, help="over the photographs (8)")
    add("--image-size", type=int, default=224, help="side of the square in pixels (224)")
    add("--growing", action="store_true", help="begin with smaller squares: quicker")
    add("--batch-size", type=int, default=32, help="photographs a step (32)")
    add("--lr", type=float, default=0.0015, help="highest learning rate of the cycle (0.0015)")
    add("--seed", type=int, default=0, help="of split, weights, order and augmentation (0)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... (auto)")
    add("--amp", default="auto", help="auto, off, float16 or bfloat16 (auto)")
    add("--workers", type=int, help="processes that prepare batches")
    add("--output", type=Path, required=True, metavar="FILE", help="a .safetensors file")
    add("--resume", action="store_true", help="go on with the state that lies beside FILE")
    options = parser.parse_args()
    return exit_status(lambda: distil(options))


def distil(options: argparse.Namespace) -> int:
    """Do what the flags ask for."""
    from retina.devices import choose_device
    from retina.memory import keep_freed_memory
    from retina.models.pretrained import LITE, resolve_pretrained
    from retina.training.config import DistillationSettings
    from retina.training.distillation import Distiller, check_output
    from retina.training.experiment import default_workers
    from retina.training.unlabelled import find_pictures

    settings = DistillationSettings(
        architecture=options.model,
        passes=options.passes,
        image_size=options.image_size,
        batch_size=options.batch_size,
        lr=options.lr,
        seed=options.seed,
        growing=options.growing,
        amp=options.amp,
    )
    if options.workers is not None and options.workers < 0:
        raise SettingsError(f"--workers is {options.workers}: give 0 or more")
    device = choose_device(options.device)
    if device.type == "cpu":
        keep_freed_memory()
    check_output(options.output, options.resume)
    teacher = resolve_pretrained([LITE])[LITE]
    pictures = find_pictures(options.data, options.unlabelled, options.seed)
    workers = default_workers(device) if options.workers is None else options.workers
    distiller = Distiller(settings, pictures, teacher, options.output, device, workers)
    try:
        distiller.fit(options.resume)
    except KeyboardInterrupt:
        print("go on with the same flags and --resume", file=sys.stderr)
        raise
    print(options.output)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
