"""The error tree, whole, so that a reader sees at once what can go wrong and what the caller does next.

ShipwayError
├── SpecError          a document a person wrote is wrong: fix the named key
├── ArtifactError      a bundle or its image is missing, corrupt or of a refused format
├── FeatureError       the feature store cannot answer
│   └── EntityError    it was asked with keys that name no entity: the request's fault, not the store's
└── DeliveryError      the rollout machinery cannot act
    ├── Retryable      the same call may succeed after `after_seconds`
    └── Fatal          no retry will help
"""

from pathlib import Path

from shipway.contract.credentials import credential_in

__all__ = [
    "HIDDEN",
    "TOGETHER",
    "ArtifactError",
    "DeliveryError",
    "EntityError",
    "Fatal",
    "FeatureError",
    "Retryable",
    "ShipwayError",
    "SpecError",
]


# What stands in a message where a credential would.
HIDDEN = "a value that is not repeated here"
# What stands in a message where a whole section would, of which some values contradict each other.
TOGETHER = "values that do not go together"
_MOST_CHARACTERS = 120


class ShipwayError(Exception):
    """Anything Shipway refuses or cannot do; its text is one sentence for the person who reads it."""


class SpecError(ShipwayError):
    """A value in a document is not what the contract expects; one that looks like a credential is not repeated.

    Args:
        path: the document's file.
        key: the dotted key inside it, empty when the document as a whole is wrong.
        got: the value found.
        expected: what would have been accepted, in words.
    """

    def __init__(self, path: Path | str, key: str, got: object, expected: str) -> None:
        if credential_in(repr(got)):
            got = HIDDEN
        if credential_in(key):
            key = "a key that is not repeated here"
        self.path, self.key, self.got, self.expected = str(path), key, got, expected
        where = f"{self.path}: {key}" if key else self.path
        super().__init__(f"{where}: got {_shortened(got)}, expected {expected}")


def _shortened(value: object) -> str:
    if value is HIDDEN or value is TOGETHER:
        return str(value)
    text = repr(value)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 3]}..."


class ArtifactError(ShipwayError):
    """A bundle or its image is missing, corrupt, not signed as it must be, or holds a file of a refused format."""


class FeatureError(ShipwayError):
    """The feature store cannot answer, or answers with something that is not a feature value."""


class EntityError(FeatureError):
    """The store was asked with keys that name no entity; the request is at fault, the store is as well as before."""


class DeliveryError(ShipwayError):
    """The rollout machinery cannot act."""


class Retryable(DeliveryError):
    """The same call may succeed later.

    Args:
        message: one sentence.
        after_seconds: how long to wait before the next try.
    """

    def __init__(self, message: str, after_seconds: float) -> None:
        self.after_seconds = after_seconds
        super().__init__(message)


class Fatal(DeliveryError):
    """No retry will help; a person must decide."""
