import os
import subprocess
import sys

import pytest

import retina
from retina.version import __version__

NAMES = ["Assessment", "Grader", "RetinopathyDataset", "load_checkpoint"]
DEPTHS = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]


@pytest.mark.parametrize("name", NAMES + DEPTHS)
def test_a_public_name_is_what_its_room_defines(name: str) -> None:
    public = getattr(retina, name)
    assert public.__name__ == name
    assert public.__module__.startswith("retina.")
    assert name in retina.__all__
    assert name in dir(retina)


def test_states_the_version() -> None:
    assert retina.__version__ == __version__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'retina' has no attribute 'resnet19'"):
        _ = retina.resnet19


def test_the_import_stays_quick() -> None:
    heavy = "('torch', 'torchvision', 'pandas', 'matplotlib', 'PIL', 'gradio')"
    code = f"import retina, sys; loaded = [m for m in {heavy} if m in sys.modules]; print(loaded)"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "[]"


def test_importing_the_package_leaves_the_process_as_it_was() -> None:
    code = """
import importlib, logging, os, pkgutil, signal, sys, warnings
import numpy, pandas, torch, torchvision, gradio, matplotlib, sklearn, PIL.Image  # have their own
import joblib, scipy.optimize, pytorch_grad_cam, cv2, pydicom, fpdf

def state():
    return (
        list(warnings.filters), PIL.Image.MAX_IMAGE_PIXELS, logging.getLogger("PIL").handlers[:],
        logging.root.handlers[:], [signal.getsignal(each) for each in (2, 15)],
        torch.get_num_threads(), torch.is_grad_enabled(), numpy.geterr(), dict(os.environ),
    )

before = state()
import retina
for module in pkgutil.walk_packages(retina.__path__, "retina."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert state() == before, (before, state())
"""
    gradio = {"GRADIO_ALLOWED_PATHS": "/somewhere", "no_proxy": "example.org"}
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | gradio)
