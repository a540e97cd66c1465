"""safetensors: the weights of dense layers. A file of tensors says nothing of how they belong together, so this does.

The tensors are those of `torch.nn.Linear`, alone (`weight`, `bias`) or in a `Sequential` (`0.weight`, `2.weight`, ...),
a weight as (out, in). What lies between and behind them is said by the file's metadata:

    save_file(tensors, path, metadata={"activation": "relu", "output": "sigmoid"})

`activation`, after every layer but the last: relu, tanh or sigmoid. `output`, after the last: identity, sigmoid (of one
number) or softmax. Neither has a default: a guess would answer, and wrongly.
"""
# safetensors' types leave its metadata out.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shipway.artifacts.answers import as_answers, probe, refused

__all__ = ["ACTIVATIONS", "OUTPUTS", "Dense", "open_dense"]

Numbers = NDArray[np.float64]
Layer = tuple[Numbers, Numbers]


def _sigmoid(values: Numbers) -> Numbers:
    # By its half with tanh, which overflows nowhere.
    return 0.5 * (1.0 + np.tanh(0.5 * values))


def _softmax(values: Numbers) -> Numbers:
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def _relu(values: Numbers) -> Numbers:
    return np.maximum(values, 0.0)


def _tanh(values: Numbers) -> Numbers:
    return np.tanh(values)


def _identity(values: Numbers) -> Numbers:
    return values


ACTIVATIONS: Mapping[str, Callable[[Numbers], Numbers]] = {"relu": _relu, "sigmoid": _sigmoid, "tanh": _tanh}
OUTPUTS: Mapping[str, Callable[[Numbers], Numbers]] = {
    "identity": _identity,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
}

_NAMED = re.compile(r"(?:(?:[A-Za-z_]\w*\.)*(\d+)\.)?(weight|bias)")


class Dense:
    """Dense layers, one after the other.

    Args:
        path: the file they came from.
        layers: weight (out, in) and bias (out,) of each.
        activation: after every layer but the last.
        output: after the last.
    """

    def __init__(
        self,
        path: Path,
        layers: Sequence[Layer],
        activation: Callable[[Numbers], Numbers],
        output: Callable[[Numbers], Numbers],
    ) -> None:
        self.path, self._layers, self._activation, self._output = path, layers, activation, output

    def scores(self, matrix: Numbers) -> Numbers:
        """Returns what the last layer answers, (rows, out)."""
        values = matrix
        for weight, bias in self._layers[:-1]:
            values = self._activation(values @ weight.T + bias)
        weight, bias = self._layers[-1]
        return self._output(values @ weight.T + bias)

    def predict(self, matrix: Numbers) -> Numbers:
        """Returns one number a row of `matrix`, (rows, columns)."""
        return as_answers(self.scores(matrix))


def open_dense(path: Path, width: int) -> Dense:
    """Returns the layers in `path`.

    Args:
        path: a file of safetensors as above.
        width: how many numbers a row has.

    Raises:
        ArtifactError: when it is no such file, or a tensor has a name or a shape that does not belong.
    """
    import safetensors

    try:
        with safetensors.safe_open(str(path), framework="numpy") as opened:  # pyright: ignore[reportPrivateImportUsage]
            metadata = dict(opened.metadata() or {})
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping
    except (safetensors.SafetensorError, OSError, TypeError) as error:
        raise refused(path, f"no tensors that can be read ({error})", "a whole file of safetensors") from None
    layers = _layers(path, tensors, width)
    output = _said(path, metadata, "output", OUTPUTS)
    if output is _sigmoid and len(layers[-1][0]) != 1:
        raise refused(path, f"the output sigmoid over {len(layers[-1][0])} numbers", "one number, or softmax")
    activation = _said(path, metadata, "activation", ACTIVATIONS) if len(layers) > 1 else _identity
    found = Dense(path, layers, activation, output)
    probe(path, found.scores(np.zeros((2, width))), 2)
    return found


def _layers(path: Path, tensors: Mapping[str, NDArray[np.floating]], width: int) -> list[Layer]:  # pyright: ignore[reportMissingTypeArgument]
    weights, biases = dict[int, tuple[str, Numbers]](), dict[int, tuple[str, Numbers]]()
    for name, tensor in tensors.items():
        matched = _NAMED.fullmatch(name)
        kind = weights if matched and matched[2] == "weight" else biases
        number = int((matched and matched[1]) or 0)
        if matched is None or number in kind:
            raise refused(path, f"a tensor {name}", "weight and bias of dense layers, such as 0.weight and 0.bias")
        kind[number] = name, np.asarray(tensor, dtype=np.float64)
    if not weights or not set(biases) <= set(weights):
        raise refused(path, f"the tensors {', '.join(sorted(tensors)) or 'none'}", "a weight for each bias")
    found, entering = list[Layer](), width
    for number in sorted(weights):
        name, weight = weights[number]
        if weight.ndim != 2 or weight.shape[1] != entering:
            raise refused(path, f"{name} of shape {weight.shape}", f"(out, {entering}): {entering} numbers come in")
        _, bias = biases.get(number, ("", np.zeros(len(weight))))
        if bias.shape != (len(weight),):
            shape = f"({len(weight)},), as {name} has {len(weight)} rows"
            raise refused(path, f"{biases[number][0]} of shape {bias.shape}", shape)
        found.append((weight, bias))
        entering = len(weight)
    return found


def _said(
    path: Path, metadata: Mapping[str, str], key: str, known: Mapping[str, Callable[[Numbers], Numbers]]
) -> Callable[[Numbers], Numbers]:
    name = metadata.get(key, "")
    if name not in known:
        raise refused(path, f"the metadata {key}={name!r}", f"one of {', '.join(known)}: save_file(..., metadata=...)")
    return known[name]
