from __future__ import annotations

from importlib import import_module

import pytest


@pytest.mark.parametrize("package", ["flyball.store", "flyball.ledger", "flyball.registry"])
def test_every_public_name_is_there_and_no_other_is_made_up(package: str) -> None:
    module = import_module(package)
    assert all(getattr(module, name) is not None for name in module.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = module.Nonsense
