"""A production cluster with both of the repository's services, and what a test looks up in it."""

from collections.abc import Iterator
from typing import Any

import yaml
from pulumi.runtime.rpc import deserialize_properties

from tests.components.conftest import Project
from tests.components.recording import Recorder, run

STACK = "onprem"
FIRST, SECOND = "sha256:" + "a" * 64, "sha256:" + "b" * 64


class Cluster:
    """What the program registers for the environment `onprem`, by kind and name."""

    def __init__(self, project: Project) -> None:
        self.project = project

    def change(self, **values: Any) -> None:
        """Changes keys of the environment; a dotted one is written with two underscores."""
        path = self.project.root / "stacks" / f"Pulumi.{STACK}.yaml"
        document = yaml.safe_load(path.read_text())
        for key, value in values.items():
            place = document["config"]["shipway:environment"]
            *parents, last = key.split("__")
            for parent in parents:
                place = place.setdefault(parent, {})
            if value is None:
                place.pop(last, None)
            else:
                place[last] = value
        path.write_text(yaml.safe_dump(document))

    def environment(self) -> dict[str, Any]:
        """Returns what the environment's file says."""
        path = self.project.root / "stacks" / f"Pulumi.{STACK}.yaml"
        return yaml.safe_load(path.read_text())["config"]["shipway:environment"]

    def resources(self, service: str, **values: Any) -> None:
        """Changes `resources` of a service's model.yaml."""
        path = self.project.root / "services" / service / "model.yaml"
        document = yaml.safe_load(path.read_text())
        document["resources"] |= values
        path.write_text(yaml.safe_dump(document))

    def register(self) -> "Registered":
        return Registered(run(self.project.root, STACK))


class Registered:
    """One run of the program."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder, self.requests = recorder, recorder.requests

    def all(self, kind: str) -> dict[str, dict[str, Any]]:
        """Returns resource name -> inputs, of one kind such as Deployment."""
        found = self.recorder.of_type(f":{kind}")
        return {request.name: deserialize_properties(request.object) for request in found}

    def one(self, kind: str, name: str) -> dict[str, Any]:
        found = self.all(kind)
        assert name in found, f"{name} is none of {sorted(found)}"
        return found[name]

    def request(self, name: str) -> Any:
        (found,) = [request for request in self.requests.values() if request.name == name]
        return found

    def waits_for(self, name: str) -> set[str]:
        """Returns the names of all that a resource waits for, directly or through others."""
        found: set[str] = set()
        waiting = list(self.request(name).dependencies)
        while waiting:
            request = self.requests[waiting.pop()]
            if request.name not in found:
                found.add(request.name)
                waiting += request.dependencies
        return found

    def pods(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields every pod template of the program's own, by the name of what runs it."""
        for name, found in self.all("Deployment").items():
            yield name, found["spec"]["template"]
        for name, found in self.all("CronJob").items():
            yield name, found["spec"]["jobTemplate"]["spec"]["template"]
