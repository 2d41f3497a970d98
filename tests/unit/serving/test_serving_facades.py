"""The facades give what they name, and importing them stays light."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["flyball.api", "flyball.predictions", "flyball.serving"])
def test_every_declared_name_is_there_and_no_other(package):
    module = importlib.import_module(package)
    for name in module.__all__:
        value = getattr(module, name)
        assert value == "FLYBALL_TOKEN" if name == "TOKEN_VARIABLE" else value.__name__ == name
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = module.nothing_here


def test_the_facades_load_no_heavy_library():
    code = (
        "import sys, flyball.api, flyball.predictions, flyball.serving\n"
        "print([name for name in ('fastapi', 'pydantic', 'sqlalchemy', 'uvicorn', 'onnxruntime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
