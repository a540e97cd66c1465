# ruff: noqa: N803 - boto3's own names of arguments
"""The function that changes the online store's password, against stubs of the two services."""

import json
from typing import Any

import pytest

from components.aws.functions.online_store_password import take_step

STEPS = ("create", "set", "test", "finish")
USER, SECRET = "shipway-prod-feast", "arn:aws:secretsmanager:eu-central-1:111122223333:secret:online-store"


class Absent(Exception):
    pass


class Manager:
    """Secrets Manager as far as a rotation goes: versions, and the stages that name them."""

    class exceptions:  # noqa: N801 - the client's own name
        ResourceNotFoundException = Absent

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.stages: dict[str, str] = {}

    def get_secret_value(self, *, SecretId: str, VersionStage: str, VersionId: str | None = None) -> dict[str, str]:
        version = self.stages.get(VersionStage)
        if version not in self.values or VersionId not in (None, version):
            raise Absent
        return {"SecretString": self.values[version]}

    def put_secret_value(
        self,
        *,
        SecretId: str,
        ClientRequestToken: str,
        SecretString: str,
        VersionStages: list[str],
    ) -> None:
        # The first version is the current one at once.
        stages = VersionStages if self.values else [*VersionStages, "AWSCURRENT"]
        self.values[ClientRequestToken] = SecretString
        self.stages |= dict.fromkeys(stages, ClientRequestToken)

    def describe_secret(self, *, SecretId: str) -> dict[str, Any]:
        versions = {version: [stage for stage, at in self.stages.items() if at == version] for version in self.values}
        return {"VersionIdsToStages": versions}

    def update_secret_version_stage(
        self,
        *,
        SecretId: str,
        VersionStage: str,
        MoveToVersionId: str,
        RemoveFromVersionId: str | None = None,
    ) -> None:
        assert self.stages.get(VersionStage) == RemoveFromVersionId
        self.stages[VersionStage] = MoveToVersionId

    def password(self, token: str) -> str:
        return str(json.loads(self.values[token])["password"])


class Cache:
    """ElastiCache's one user, who is busy for a while after each change."""

    def __init__(self, busy: int = 2) -> None:
        self.passwords: list[str] = []
        self._kind, self._busy, self._left = "iam", busy, 0

    def describe_users(self, *, UserId: str) -> dict[str, Any]:
        assert UserId == USER
        self._left -= 1
        status = "modifying" if self._left >= 0 else "active"
        return {"Users": [{"Status": status, "Authentication": {"Type": self._kind}}]}

    def modify_user(self, *, UserId: str, AuthenticationMode: dict[str, Any]) -> None:
        assert self._left < 0, "a user that is being changed takes no other change"
        assert AuthenticationMode["Type"] == "password"
        assert 1 <= len(AuthenticationMode["Passwords"]) <= 2
        self.passwords, self._kind, self._left = AuthenticationMode["Passwords"], "password", self._busy


def _rotate(manager: Manager, cache: Cache, token: str, steps: tuple[str, ...] = STEPS) -> None:
    for step in steps:
        event = {"Step": f"{step}Secret", "SecretId": SECRET, "ClientRequestToken": token}
        take_step(event, USER, manager, cache, lambda _: None)


def test_the_first_change_makes_the_first_password() -> None:
    """A secret without a value has one afterwards, under the user's name, that the store takes and Feast can read."""
    manager, cache = Manager(), Cache()
    _rotate(manager, cache, "one")
    value = json.loads(manager.values["one"])
    assert value["username"] == USER
    assert cache.passwords == [value["password"]]
    assert value["password"].isalnum()
    assert len(value["password"]) == 64
    assert manager.stages["AWSCURRENT"] == "one"


def test_the_password_before_stays_good_until_the_next_change() -> None:
    """A process that has read it reconnects; the one before that is gone."""
    manager, cache = Manager(), Cache()
    for token in ("one", "two", "three"):
        _rotate(manager, cache, token)
    assert cache.passwords == [manager.password("three"), manager.password("two")]
    assert manager.stages["AWSCURRENT"] == "three"


@pytest.mark.parametrize("again", STEPS)
def test_a_step_that_is_repeated_changes_nothing(again: str) -> None:
    """Secrets Manager repeats what it got no answer to: the password stays the one that was made first."""
    manager, cache = Manager(), Cache()
    _rotate(manager, cache, "one")
    _rotate(manager, cache, "two")
    before, known = manager.password("two"), set(cache.passwords)
    _rotate(manager, cache, "two", (again,))
    assert manager.password("two") == before
    assert set(cache.passwords) <= known
    assert before in cache.passwords


def test_a_user_that_never_becomes_active_is_said() -> None:
    """The step fails, so that Secrets Manager tries again and the old password stays the current one."""
    manager, cache = Manager(), Cache(busy=10_000)
    _rotate(manager, cache, "one", ("create", "set"))
    with pytest.raises(TimeoutError, match=f"user {USER} is modifying after 180 s, expected active"):
        _rotate(manager, cache, "one", ("test",))


def test_an_unknown_step_is_refused() -> None:
    """It names those there are."""
    with pytest.raises(ValueError, match="step dropSecret, expected createSecret, setSecret"):
        _rotate(Manager(), Cache(), "one", ("drop",))
