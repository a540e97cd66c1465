"""What the windows before say: a finding counts when it stays, and a window that knows nothing says nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["History"]


@dataclass(frozen=True, slots=True)
class History:
    """The last judged windows of each field; pure: hearing a window makes another history.

    Args:
        found: field -> whether each of its last windows found drift, the newest last. Windows without verdict are not
            among them: too few rows speak neither for drift nor against it.
    """

    found: Mapping[str, tuple[bool, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def heard(self, window: Mapping[str, bool], keep: int) -> "History":
        """Returns the history after one more window.

        >>> History({"a": (True, False)}).heard({"a": True, "b": False}, keep=2).found
        {'a': (False, True), 'b': (False,)}

        Args:
            window: field -> whether it was found; fields without verdict left out.
            keep: windows to remember.
        """
        told = {name: (*self.found.get(name, ()), found)[-keep:] for name, found in window.items()}
        return History({**self.found, **told})

    def persists(self, name: str, needed: int) -> bool:
        """Returns whether the field was found in so many of the windows that are remembered."""
        return sum(self.found.get(name, ())) >= needed
