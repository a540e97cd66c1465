"""Traffic of the tests through the gateway: a constant load, and one request that takes its time."""

import http.client
import itertools
import json
import threading
from collections import Counter
from types import TracebackType
from typing import Self

import httpx

_CALLERS = 4
# Of each caller: few units would leave a small share of the traffic without any.
_UNITS = 200
_PAUSE_SECONDS = 0.02


class Load:
    """Callers that send `requests` again and again, each for units of its own, from `with` to the end of its block.

    A unit always sends the same one of them.
    """

    def __init__(self, base: int, model: str, *requests: bytes, callers: int = _CALLERS) -> None:
        self.by_slot: Counter[str] = Counter()
        self.by_source: Counter[str] = Counter()
        self.failures: list[str] = []
        self._url, self._requests = f"http://127.0.0.1:{base}/{model}/predict", [json.loads(one) for one in requests]
        self.went_back: list[str] = []
        self._last: dict[str, str] = {}
        self._places: dict[str, str] = {}
        self._left: dict[str, set[str]] = {}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(f"caller-{number}",)) for number in range(callers)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def settled_on(self, slot: str) -> bool:
        """Returns whether the newest answer of every caller came from `slot`."""
        return list(self._last.values()) == [slot] * len(self._threads)

    @property
    def total(self) -> int:
        """How many answers came so far."""
        return sum(self.by_slot.values())

    def _moved(self, unit: str, slot: str) -> None:
        before = self._places.get(unit, "")
        if slot in self._left.get(unit, set()):
            self.went_back.append(f"{unit} went back to {slot}")
        if before not in ("", slot):
            self._left.setdefault(unit, set()).add(before)
        self._places[unit] = slot

    def _ask(self, caller: str) -> None:
        units = itertools.cycle(
            (f"{caller}-unit-{number}", self._requests[number % len(self._requests)]) for number in range(_UNITS)
        )
        with httpx.Client(timeout=30, trust_env=False) as client:
            while not self._stop.wait(_PAUSE_SECONDS):
                unit, request = next(units)
                try:
                    answer = client.post(self._url, json=request | {"unit_id": unit}, headers={"x-unit-id": unit})
                except httpx.TransportError as error:
                    self.failures.append(repr(error))
                    continue
                if answer.status_code != 200:
                    self.failures.append(f"{answer.status_code} {answer.text[:200]}")
                    continue
                slot = answer.headers["x-slot"]
                self._moved(unit, slot)
                self._last[caller] = slot
                self.by_slot[slot] += 1
                self.by_source[answer.headers["x-served-by"]] += 1


class SlowRequest:
    """A request whose body is held back: the gateway has it, and its route, from here on until `finish`."""

    def __init__(self, base: int, model: str, content: bytes) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", base, timeout=60)
        self._rest = content[10:]
        self._connection.putrequest("POST", f"/{model}/predict")
        self._connection.putheader("content-type", "application/json")
        self._connection.putheader("content-length", str(len(content)))
        self._connection.putheader("expect", "100-continue")
        self._connection.endheaders()
        # Said by the gateway once it has read the headers.
        said = self._connection.sock.recv(1000)
        assert said.startswith(b"HTTP/1.1 100 Continue"), said
        self._connection.send(content[:10])

    def finish(self) -> tuple[int, str | None]:
        """Sends the rest and returns the answer's status and slot."""
        self._connection.send(self._rest)
        answer = self._connection.getresponse()
        answer.read()
        self._connection.close()
        return answer.status, answer.headers["x-slot"]
