"""What a slot's process is given before anything of its model is imported, and how it speaks HTTP."""
# pyright: reportPrivateUsage=false

import socket
from pathlib import Path

import pytest
import uvicorn

from shipway.contract.telemetry import BENTOML_SILENT, ONNXRUNTIME_SILENT
from shipway.serving.connection import WholeAnswers
from shipway.serving.edge import Edge
from shipway.serving.launch import _environment, _serve


def test_what_a_slot_imports_tells_nobody_of_it(tmp_path: Path) -> None:
    """Also where a service's own code is the first to import onnxruntime."""
    assert (BENTOML_SILENT | ONNXRUNTIME_SILENT).items() <= _environment(tmp_path).items()


def test_a_slot_answers_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server speaks HTTP by the connection that joins an answer's head and body."""
    told: dict[str, object] = {}

    class Told(Exception):
        pass

    def config(_application: object, **given: object) -> None:
        told.update(given)
        raise Told

    monkeypatch.setattr(uvicorn, "Config", config)
    with socket.socket() as listener, pytest.raises(Told):
        _serve(Edge(None, "m", "v"), listener)
    assert told["http"] is WholeAnswers
