"""The registry's aliases say what is served: champion is live, challenger the candidate, previous the way back.

The ledger says so first; the aliases follow it for whoever looks into the registry. Nothing that serves or rolls back
reads them or waits for them.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout
from shipway.contract.ledger import entry_numbers, read_entry
from shipway.contract.release import short_digest
from shipway.training.registry import DIGEST_TAG
from shipway.training.tables import has_tables, open_client

__all__ = ["ALIASES", "bring_up_to_date", "roles"]

# Role in the ledger -> alias in the registry.
ALIASES: Mapping[str, str] = {"live": "champion", "candidate": "challenger", "previous": "previous"}


def roles(ledger: Path) -> dict[str, dict[str, str]]:
    """Returns model -> role -> digest, as the last entry says that changed the model's route; an empty role is absent.

    Args:
        ledger: its folder.

    Raises:
        SpecError: naming an entry that is damaged.
    """
    found: dict[str, dict[str, str]] = {}
    for number in entry_numbers(ledger):
        entry = read_entry(ledger, number)
        if entry.generation is not None:
            found[entry.model] = {role: digest for role, digest in entry.digests.items() if role in ALIASES and digest}
    return found


def bring_up_to_date(layout: LocalLayout, say: Callable[[str], None]) -> int:
    """Returns how many aliases were set or removed; none where all say what the ledger says.

    Args:
        layout: the stack.
        say: called with one sentence for each digest that the registry does not know: its alias is removed, for
            another version under that name would be a lie.

    Raises:
        ShipwayError: when there is no registry, the ledger is damaged, or MLflow cannot write.
    """
    wanted = roles(layout.ledger)
    if not wanted:
        return 0
    if not has_tables(layout.registry):
        raise ShipwayError(f"{layout.registry}: no registry, expected the one that training writes")
    client: Any = open_client(layout.registry)
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return sum(_follow(client, model, digests, say) for model, digests in sorted(wanted.items()))
    except (MlflowException, SQLAlchemyError) as error:
        raise ShipwayError(f"{layout.registry}: {str(error).strip().partition(chr(10))[0]}") from None


def _follow(client: Any, model: str, digests: Mapping[str, str], say: Callable[[str], None]) -> int:
    registered: Any = client.search_registered_models(f"name='{model}'")
    # A digest is registered once, but what came from elsewhere may hold it twice; the newest is meant.
    versions = {
        one.tags[DIGEST_TAG]: str(one.version)
        for one in sorted(client.search_model_versions(f"name='{model}'"), key=lambda one: int(one.version))
        if DIGEST_TAG in one.tags
    }
    now = {name: str(version) for one in registered for name, version in one.aliases.items()}
    changed = 0
    for role, alias in ALIASES.items():
        digest = digests.get(role, "")
        if digest and digest not in versions:
            say(f"{model}: the registry has no version of {short_digest(digest)}, so none is its {alias}")
        version = versions.get(digest)
        if version == now.get(alias):
            continue
        if version is None:
            client.delete_registered_model_alias(model, alias)
        else:
            client.set_registered_model_alias(model, alias, version)
        changed += 1
    return changed
