"""Open-loop requests to one real slot, and a ledger of every request: what was asked, and what came back."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

# Far beyond any limit of the slot: on a busy machine a late answer is still an answer.
TIMEOUT_SECONDS = 60.0
_AT_ONCE = 24


@dataclass
class Question:
    """One request: its row and time, and its answer.

    Args:
        row: what was asked.
        at: when it left, on the monotonic clock.
        seconds: how long its answer took.
        status: of the answer; 0 when there was none.
        source: who answered.
        prediction: the number.
        problem: why there was none.
    """

    row: dict[str, Any]
    at: float
    seconds: float = 0.0
    status: int = 0
    source: str = ""
    prediction: float = 0.0
    problem: str = ""


@dataclass
class Asking:
    """Asks at a steady rate from threads of its own; a slow answer holds no later request up.

    Args:
        port: the slot's.
        per_second: how many.
        seed: of the rows and of the gaps between requests.
        row: makes one.
    """

    port: int
    per_second: float
    seed: int
    row: Callable[[random.Random], dict[str, Any]]
    questions: list[Question] = field(default_factory=list[Question])

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        limits = httpx.Limits(max_connections=_AT_ONCE)
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=TIMEOUT_SECONDS, limits=limits)
        self._thread = threading.Thread(target=self._drive, name="asking", daemon=True)

    def start(self) -> None:
        """Begins to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Returns once every question has its answer, or its time is over."""
        if self._thread.is_alive():
            self._stopping.set()
            self._thread.join(2 * TIMEOUT_SECONDS)
            assert not self._thread.is_alive(), "the questions did not end"
        self._client.close()

    def between(self, start: float, end: float = float("inf")) -> list[Question]:
        """Returns the questions that left in a time."""
        return [one for one in list(self.questions) if start < one.at < end]

    def answered_since(self, start: float) -> list[Question]:
        """Returns the answers there are so far to questions that left since a moment."""
        return [one for one in self.between(start) if one.seconds]

    def _drive(self) -> None:
        chance, due = random.Random(self.seed), time.monotonic()
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            while True:
                due += chance.expovariate(self.per_second)
                if self._stopping.wait(max(due - time.monotonic(), 0.0)):
                    return
                question = Question(self.row(chance), time.monotonic())
                self.questions.append(question)
                threads.submit(self._ask, question)

    def _ask(self, question: Question) -> None:
        try:
            answer = self._client.post("/predict", json={"rows": [question.row]})
            question.status = answer.status_code
            content = answer.json()
            if answer.status_code == httpx.codes.OK:
                question.source, question.prediction = content["source"], content["predictions"][0]
            else:
                question.problem = content["error"]
        except httpx.HTTPError as error:
            question.problem = repr(error)
        question.seconds = time.monotonic() - question.at
