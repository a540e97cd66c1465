"""What runs is exactly what was trained and judged."""

import re
from collections.abc import Mapping
from typing import Any

from policies.rule import Severity, rule
from shipway.contract.metrics import Slot
from shipway.contract.release import DIGEST_PATTERN

__all__ = ["digest_pinned"]

_DIGEST = "sha256:" + "0" * 64


@rule(
    "ML006",
    "digest pinned",
    severity=Severity.CRITICAL,
    fix="Release the digest that `shipway train` printed.",
    passing={"release": {"blue": _DIGEST, "green": ""}},
    failing={"release": {"blue": "flight-delay:latest", "green": ""}},
)
def digest_pinned(props: Mapping[str, Any]) -> list[str]:
    """Every filled slot names its bundle by a full sha256 digest: a tag can be moved to other bytes."""
    release = props["release"]
    return [
        f"slot {slot} holds {release[slot]!r}, which is no sha256 digest"
        for slot in Slot
        if release[slot] and not re.match(DIGEST_PATTERN, release[slot])
    ]
