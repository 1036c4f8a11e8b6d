"""The driver knows what to do with whatever the engine may ask of it."""

from __future__ import annotations

import io
import typing
from dataclasses import fields

from seikan.daemon.crypto import CryptoDriver, Hooks
from seikan.ike import effects as fx
from seikan.ike.settings import EngineSettings
from seikan.system.journal import Journal


def test_every_effect_is_carried_out() -> None:
    ignored: dict[str, typing.Any] = {field.name: lambda *_: None for field in fields(Hooks)}
    hooks = Hooks(**ignored)
    driver = CryptoDriver(EngineSettings("R1", True, (), (), (), ()), None, Journal(stream=io.StringIO()), hooks)
    assert set(driver._carry_out) == set(typing.get_args(fx.Effect))
