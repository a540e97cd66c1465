"""AWS as the recording monitor meets it: inputs are of the SDK's types, and outputs are what AWS would answer."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from tests.components.wire import plain
from tests.standins.aws_objects import Place, computed, identity
from tests.standins.checking import problems
from tests.standins.sdk import resource_type

__all__ = ["HANDOVER", "PLACE", "made"]

PLACE = Place("us-east-1", "111122223333")

# What the stack of a platform on AWS tells the stack of its models.
HANDOVER = {
    "cluster_endpoint": "https://0123456789ABCDEF.gr7.us-east-1.eks.amazonaws.com",
    "cluster_certificate_authority": "Y2VydGlmaWNhdGU=",
    "data_key": "arn:aws:kms:us-east-1:111122223333:key/data",
    "feast_secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:feast",
    "online_store_secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:online-store",
}


def made(token: str, name: str, inputs: Mapping[str, Any], place: Place = PLACE) -> tuple[str, dict[str, Any]]:
    """Returns the id and the outputs of a resource of AWS that was asked for."""
    kind = resource_type(token)
    assert kind is not None, token
    given = plain(inputs)
    assert list(problems(kind, given)) == [], name
    # The engine names what the program does not.
    given = {kind.autonamed: name, **given} if kind.autonamed else given
    fresh = sha256(name.encode()).hexdigest()[:40]
    key = identity(token, given, fresh, kind, place)
    return key, computed(kind, given, key, fresh, place)
