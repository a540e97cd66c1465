"""Gives the online store's user a new password, in the four steps that Secrets Manager calls for.

ElastiCache cannot make a password itself, and one that Pulumi made would lie in its state. A user takes two passwords:
the new one and the one before, so a process that read the old one keeps its access until the next change.
"""

import json
import os
import secrets as randomness
import string
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

__all__ = ["handler", "take_step"]

# ElastiCache takes 16 to 128 characters. Letters and digits alone: Feast reads the password as a part of its file.
_LENGTH, _ALPHABET = 64, string.ascii_letters + string.digits
_CURRENT, _PENDING = "AWSCURRENT", "AWSPENDING"
# A change of a user takes about ten seconds.
_POLL_SECONDS, _POLLS = 3, 60


def handler(event: Mapping[str, str], _context: object) -> None:
    """Takes the step that Secrets Manager asks for."""
    import boto3  # pyright: ignore[reportMissingTypeStubs]

    client = cast(Any, boto3).client
    take_step(event, os.environ["USER_ID"], client("secretsmanager"), client("elasticache"), time.sleep)


def take_step(
    event: Mapping[str, str], user: str, manager: Any, cache: Any, wait_seconds: Callable[[float], None]
) -> None:
    """Takes one step; each may be repeated, for Secrets Manager tries again what failed.

    Args:
        event: `Step`, `SecretId` and `ClientRequestToken`, the id of the version that becomes the current one.
        user: id and name of the store's user.
        manager, cache: clients of Secrets Manager and ElastiCache.
        wait_seconds: lets time pass.

    Raises:
        ValueError: for a step that is none.
        TimeoutError: when the user does not become active.
    """
    secret, token = event["SecretId"], event["ClientRequestToken"]
    match event["Step"]:
        case "createSecret":
            if _password(manager, secret, _PENDING, token) is None:
                value = json.dumps({"username": user, "password": _new_password()})
                manager.put_secret_value(
                    SecretId=secret, ClientRequestToken=token, SecretString=value, VersionStages=[_PENDING]
                )
        case "setSecret":
            known = (_password(manager, secret, _PENDING, token), _password(manager, secret, _CURRENT))
            passwords = list(dict.fromkeys(password for password in known if password is not None))
            _active(cache, user, wait_seconds)
            cache.modify_user(UserId=user, AuthenticationMode={"Type": "password", "Passwords": passwords})
        case "testSecret":
            # The function has no way to the store: that ElastiCache took the passwords is what it can know.
            mode = _active(cache, user, wait_seconds)["Authentication"]["Type"]
            if mode != "password":
                raise ValueError(f"user {user} authenticates by {mode}, expected password")
        case "finishSecret":
            _finish(manager, secret, token)
        case other:
            raise ValueError(f"step {other}, expected createSecret, setSecret, testSecret or finishSecret")


def _new_password() -> str:
    while True:
        password = "".join(randomness.choice(_ALPHABET) for _ in range(_LENGTH))
        # A text that is no number, whatever reads it.
        if any(letter.islower() for letter in password) and any(letter.isupper() for letter in password):
            return password


def _password(manager: Any, secret: str, stage: str, token: str | None = None) -> str | None:
    version = {"VersionId": token} if token else {}
    try:
        found = manager.get_secret_value(SecretId=secret, VersionStage=stage, **version)
    except manager.exceptions.ResourceNotFoundException:
        return None
    return str(json.loads(found["SecretString"])["password"])


def _active(cache: Any, user: str, wait_seconds: Callable[[float], None]) -> Mapping[str, Any]:
    status = ""
    for _ in range(_POLLS):
        (found,) = cache.describe_users(UserId=user)["Users"]
        if (status := str(found["Status"])) == "active":
            return cast(Mapping[str, Any], found)
        wait_seconds(_POLL_SECONDS)
    raise TimeoutError(f"user {user} is {status} after {_POLLS * _POLL_SECONDS} s, expected active")


def _finish(manager: Any, secret: str, token: str) -> None:
    stages = manager.describe_secret(SecretId=secret)["VersionIdsToStages"]
    current = next((version for version, names in stages.items() if _CURRENT in names), None)
    if current == token:
        return
    move = {"RemoveFromVersionId": current} if current else {}
    manager.update_secret_version_stage(SecretId=secret, VersionStage=_CURRENT, MoveToVersionId=token, **move)
