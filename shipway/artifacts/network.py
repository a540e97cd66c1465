"""ONNX: a graph of operators, run by onnxruntime. A graph of the standard operators holds no code of its own."""
# onnxruntime ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shipway.artifacts.answers import as_answers, probe, refused

__all__ = ["Network", "open_network"]

_FLOATS: dict[str, type[np.floating[Any]]] = {"tensor(double)": np.float64, "tensor(float)": np.float32}


class Network:
    """An ONNX graph with one input of numbers.

    Args:
        path: the file it came from.
        session: of onnxruntime.
        shape: of one row of its input, such as (64,) or (1, 8, 8).
        output: the name of what is answered.
    """

    def __init__(self, path: Path, session: Any, shape: tuple[int, ...], output: str) -> None:
        self.path, self._session, self._shape, self._output = path, session, shape, output
        given = session.get_inputs()[0]
        self._input, self._kind = given.name, _FLOATS[given.type]

    def scores(self, matrix: NDArray[np.float64]) -> Any:
        """Returns what the graph itself answers."""
        rows = matrix.reshape(len(matrix), *self._shape).astype(self._kind)
        return self._session.run([self._output], {self._input: rows})[0]

    def predict(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns one number a row of `matrix`, (rows, columns)."""
        return as_answers(np.asarray(self.scores(matrix), dtype=np.float64))


def open_network(path: Path, width: int) -> Network:
    """Returns the graph in `path`.

    One thread: a slot has a share of a core, and the same row gives the same last digit on every machine.

    Args:
        path: an ONNX file without external data.
        width: how many numbers a row has.

    Raises:
        ArtifactError: when it is no such graph, or takes or answers something else.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Its own messages would repeat the error below, with places of the machine that built it.
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - its errors have no common type
        raise refused(path, f"no ONNX graph that runs ({_first_line(error)})", "a whole ONNX file") from None
    network = Network(path, session, _row_shape(path, session, width), _answering(path, session))
    try:
        scores = network.scores(np.zeros((2, width)))
    except Exception as error:  # noqa: BLE001 - as above
        raise refused(path, f"a graph that fails on rows of zeros ({_first_line(error)})", "one that answers") from None
    probe(path, scores, 2)
    return network


def _row_shape(path: Path, session: Any, width: int) -> tuple[int, ...]:
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(one.name for one in inputs)
        raise refused(path, f"{len(inputs)} inputs ({names})", f"one of shape (rows, {width})")
    (given,) = inputs
    if given.type not in _FLOATS:
        raise refused(path, f"an input of {given.type}", f"one of {' or '.join(sorted(_FLOATS))}")
    # A dimension without a number has a name, or None.
    row = [one if isinstance(one, int) else None for one in given.shape[1:]]
    if not row or any(one is None for one in row) or math.prod(one or 0 for one in row) != width:
        raise refused(path, f"an input of shape {tuple(given.shape)}", f"(rows, {width}), as the schema has {width}")
    if isinstance(given.shape[0], int):
        raise refused(
            path, f"an input of {given.shape[0]} rows", "any number of rows: export with a dynamic batch axis"
        )
    return tuple(one or 0 for one in row)


def _answering(path: Path, session: Any) -> str:
    """Returns which output to answer: where there are labels and scores, the scores of two classes, else the labels."""
    outputs = session.get_outputs()
    if len(outputs) == 1:
        return outputs[0].name
    numbers = [one for one in outputs if one.type in _FLOATS]
    labels = [one for one in outputs if one.type == "tensor(int64)"]
    if len(outputs) == 2 and len(numbers) == len(labels) == 1:
        return numbers[0].name if numbers[0].shape[1:] == [2] else labels[0].name
    found = ", ".join(f"{one.name} {one.type}" for one in outputs)
    raise refused(
        path, f"{len(outputs)} outputs ({found})", "one, or a label and a tensor of scores (skl2onnx: zipmap=False)"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
