"""Open-loop load through the gateway, and a ledger of every request by its client id."""

import asyncio
import json
import random
import threading
import time
from dataclasses import dataclass, field

from shipway.contract.metrics import UNIT_HEADER

ANSWER_TIMEOUT_SECONDS = 15.0


@dataclass
class Sent:
    """One request: when it left, and what came back.

    Args:
        id: the client's own.
        at: when it was due, on the monotonic clock.
        answered_at: when its answer was whole, 0.0 while there is none.
        status: of the answer; 0 when the connection failed.
        slot: who answered; empty when the gateway did, or nobody.
        version: what the answering slot serves.
        problem: how the connection failed, or what the gateway said in a slot's place.
    """

    id: str
    unit: str
    at: float
    answered_at: float = 0.0
    status: int = 0
    slot: str = ""
    version: str = ""
    problem: str = ""


@dataclass
class Load:
    """Requests at a steady rate from a thread of its own; a slow answer holds no later request up.

    Args:
        port: the gateway's.
        per_second: how many.
        seed: of the units.
        units: how many different callers there are.
        path: of the model.
    """

    port: int
    per_second: float
    seed: int
    units: int = 4000
    path: str = "/digits/predict"
    requests: dict[str, Sent] = field(default_factory=dict[str, Sent])

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._drive()), name="load", daemon=True)

    def start(self) -> None:
        """Begins to send."""
        self._thread.start()

    def stop(self) -> None:
        """Returns once nothing is sent any more and every request has its answer, or its time is over."""
        self._stopping.set()
        self._thread.join(ANSWER_TIMEOUT_SECONDS + 10)
        assert not self._thread.is_alive(), "the load did not end"

    def failed(self) -> list[Sent]:
        """Returns the requests that a caller would complain about, the slot's own errors left out."""
        return [one for one in self.finished() if one.status != 200 and not one.slot]

    def finished(self) -> list[Sent]:
        """Returns the requests whose end is known."""
        return [one for one in list(self.requests.values()) if one.answered_at]

    def of(self, version: str) -> list[Sent]:
        """Returns the finished requests that a version answered."""
        return [one for one in self.finished() if one.version == version]

    async def _drive(self) -> None:
        chance = random.Random(self.seed)
        tasks: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        number = 0
        while not self._stopping.is_set():
            # Exponential gaps: callers do not know each other.
            due += chance.expovariate(self.per_second)
            wait = due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            number += 1
            sent = Sent(id=f"{self.seed}-{number}", unit=f"u{chance.randrange(self.units)}", at=time.monotonic())
            self.requests[sent.id] = sent
            task = asyncio.create_task(self._send(sent))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        if tasks:
            await asyncio.wait(tasks, timeout=ANSWER_TIMEOUT_SECONDS)
        for _, writer in self._idle:
            writer.close()

    async def _send(self, sent: Sent) -> None:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                await self._exchange(sent)
        except TimeoutError:
            sent.problem = f"no answer within {ANSWER_TIMEOUT_SECONDS:g} s"
        except (OSError, asyncio.IncompleteReadError) as error:
            sent.problem = repr(error)
        sent.answered_at = time.monotonic()

    async def _exchange(self, sent: Sent) -> None:
        body = json.dumps({"id": sent.id}).encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: gateway\r\n{UNIT_HEADER}: {sent.unit}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        reader, writer = await self._connection()
        try:
            writer.write(head.encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(one.lower().split(": ", 1) for one in answer[1:] if one)
            content = await reader.readexactly(int(headers["content-length"]))
        except BaseException:
            writer.close()
            raise
        sent.slot, sent.version = headers.get("x-slot", ""), headers.get("x-model-version", "")
        sent.status = int(answer[0].split(" ")[1])
        if not sent.slot:
            sent.problem = content.decode(errors="replace")
        elif sent.status == 200 and json.loads(content).get("id") != sent.id:
            sent.status, sent.problem = 0, "the answer to another request"
        if headers.get("connection") == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self.port)
