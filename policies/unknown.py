"""Values that only `up` knows: reading one ends a judgement, because passing it would be a lie."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

__all__ = ["UNKNOWN", "Undecidable", "guarded"]

# What the engine sends instead of an unknown boolean, number, string, list, asset, archive and object. They belong to
# its protocol; they stand here so that the library call needs no pulumi_policy.
UNKNOWN = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


class Undecidable(Exception):
    """A rule cannot be decided yet.

    Args:
        key: the property that is missing or unknown, with what was expected of it.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"not decidable yet: {key}")


def guarded(props: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns `props` itself when nothing in it is unknown, else a view that raises Undecidable where it is read."""
    return _MappingView(props, "") if _has_unknown(props) else props


def _has_unknown(value: Any) -> bool:
    if isinstance(value, str):
        return value in UNKNOWN
    if isinstance(value, dict):
        return any(map(_has_unknown, cast(dict[str, Any], value).values()))
    return isinstance(value, list | tuple) and any(map(_has_unknown, cast(Sequence[Any], value)))


def _seen(value: Any, path: str) -> Any:
    if isinstance(value, str):
        if value in UNKNOWN:
            raise Undecidable(f"{path} is not known before `pulumi up`")
        return value
    if isinstance(value, Mapping):
        return _MappingView(cast(Mapping[str, Any], value), path)
    return _SequenceView(cast(Sequence[Any], value), path) if isinstance(value, Sequence) else value


class _MappingView(Mapping[str, Any]):
    def __init__(self, target: Mapping[str, Any], path: str) -> None:
        self._target, self._path = target, path

    def __getitem__(self, key: str) -> Any:
        return _seen(self._target[key], f"{self._path}.{key}" if self._path else key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._target)

    def __len__(self) -> int:
        return len(self._target)


class _SequenceView(Sequence[Any]):
    def __init__(self, target: Sequence[Any], path: str) -> None:
        self._target, self._path = target, path

    def __getitem__(self, index: Any) -> Any:
        return _seen(self._target[index], f"{self._path}.{index}")

    def __len__(self) -> int:
        return len(self._target)
