"""What the controller needs of a target: the same few verbs for a gateway of files and for a cluster."""

from collections.abc import Collection, Mapping
from typing import Protocol

from shipway.contract.errors import Fatal
from shipway.contract.metrics import Slot
from shipway.contract.rollout import Look
from shipway.contract.route import RolloutState, RouteSpec
from shipway.delivery.decide import Readiness
from shipway.delivery.declared import Declared
from shipway.delivery.served import Change, ServedModel

__all__ = ["Records", "Rejected", "Target"]


class Rejected(Fatal):
    """The gateway refused a route; the last good one is served, and traffic never noticed."""


class Target(Protocol):
    """Where routes are declared and served, and what its slots and its gateway say."""

    def declared(self) -> Declared:
        """Returns every declared route and what is wrong with the others."""
        ...

    def load(self) -> dict[str, ServedModel]:
        """Returns what is served; raises Fatal when it cannot be read, Retryable when it cannot be read now."""
        ...

    def prepare(self, served: Mapping[str, ServedModel]) -> None:
        """Leaves behind what a gateway that is down needs for its next start; raises OSError when it cannot."""
        ...

    def refresh(self, served: dict[str, ServedModel]) -> dict[str, ServedModel]:
        """Asks anew, and returns what is served now, which another writer may have changed; raises Retryable."""
        ...

    def settle(self, served: Mapping[str, ServedModel]) -> str:
        """Makes the gateway run what is believed to be served; returns what is wrong all the same.

        Raises:
            Rejected: when the gateway refuses it.
            Retryable: when it could not be confirmed.
        """
        ...

    def serve(self, model: str, before: Mapping[str, ServedModel], after: Mapping[str, ServedModel]) -> None:
        """Writes weights and state of `model`, in which alone `after` differs, in one atomic step.

        Raises:
            Rejected: when it is refused; what was served before still is.
            Retryable: when it could not be written; nothing was changed.
        """
        ...

    def unconfirmed(self, model: str) -> str:
        """Returns why the gateway may serve other weights than were written, empty when it has confirmed them."""
        ...

    def readiness(self, spec: RouteSpec, patience_seconds: float = 0.0) -> Readiness:
        """Returns which slots are ready, after giving the gateway time to see what the slots say of themselves."""
        ...

    def watch(self, specs: Mapping[str, RouteSpec], due: Collection[str]) -> Mapping[str, Readiness]:
        """Returns model -> which slots are ready, for models that are judged now: quickly, and not long ago.

        Args:
            specs: of all models whose rollout is under way.
            due: those that are judged now; of the others what they said is remembered.
        """
        ...

    def failed(self, model: str) -> Mapping[Slot, int]:
        """Returns slot -> attempts the gateway saw fail without an answer; empty where it does not count them."""
        ...

    def attend(self, served: Mapping[str, ServedModel]) -> Mapping[str, str]:
        """Does what follows from what is served (who is scraped often, what is kept warm); returns part -> problem."""
        ...


class Records(Protocol):
    """What is kept of what was done and seen; a store that is down never holds up a rollback."""

    def remembered(self, model: str) -> RolloutState:
        """Returns what is known of a model without a route; raises Fatal, or Retryable when it is not known yet."""
        ...

    def record(self, served: Mapping[str, ServedModel]) -> Mapping[str, str]:
        """Enters every change that the ledger does not hold yet; returns part -> problem."""
        ...

    def tell(self, model: str, change: Change) -> Mapping[str, str]:
        """Enters an event that changed no route; returns part -> problem."""
        ...

    def look(self, look: Look) -> Mapping[str, str]:
        """Keeps what a look saw; returns part -> problem."""
        ...
