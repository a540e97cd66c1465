"""What a slot's process is given before anything of its model is imported."""
# pyright: reportPrivateUsage=false

from pathlib import Path

from shipway.contract.telemetry import BENTOML_SILENT, ONNXRUNTIME_SILENT
from shipway.serving.launch import _environment


def test_what_a_slot_imports_tells_nobody_of_it(tmp_path: Path) -> None:
    """Also where a service's own code is the first to import onnxruntime."""
    assert (BENTOML_SILENT | ONNXRUNTIME_SILENT).items() <= _environment(tmp_path).items()
