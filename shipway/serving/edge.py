"""What stands before a slot's application: only known paths pass, and a slot that is told to stop says so first."""

import re
import time
from collections.abc import Callable
from typing import Any

__all__ = ["DRAIN_SECONDS", "Edge"]

# A gateway that asks once a second whether a slot is ready has heard within this time that it is not.
DRAIN_SECONDS = 1.5
# Where nobody was sent for so long, nobody has to be sent away.
_QUIET_SECONDS = 10.0

_READINESS = re.compile(r"/readyz|/v2/health/ready|/v2/models/.*/ready")
_WORK = re.compile(r"/predict|/feedback|/v2/models/.*/infer")

# Envoy takes the slot out at the first such answer, not at the second.
_NOT_READY = {"x-envoy-immediate-health-check-fail": "true"}


class Edge:
    """An ASGI application around a slot's own.

    An unknown path is 404 before BentoML makes a metric series of it. A model's name is in some paths, so every other
    name is unknown too: what a caller writes there must not become a label.

    Args:
        application: the slot's own.
        model, version: of the slot.
        clock: seconds on a clock that only grows.
    """

    def __init__(self, application: Any, model: str, version: str, clock: Callable[[], float] = time.monotonic) -> None:
        from starlette.middleware.gzip import GZipMiddleware

        self._application, self._name, self._clock = application, f"{model} version {version}", clock
        # Prometheus takes it compressed: a page of fifty features is 350 kB, and 15 kB at the fastest level.
        self._page = GZipMiddleware(application, minimum_size=1024, compresslevel=1)
        one = f"/models/{re.escape(model)}(?:/versions/{re.escape(version)})?"
        self._paths = re.compile(
            r"/(?:predict|feedback|openapi\.json|livez|readyz|healthz|metrics(?:/evidence)?"
            rf"|v2(?:/health/(?:live|ready)|{one}(?:/infer|/ready)?)?)"
        )
        self._asked_seconds = float("-inf")
        self.draining = False

    def drain(self) -> float:
        """Makes the slot unready; returns for how many seconds it should go on answering whoever still comes."""
        self.draining = True
        return DRAIN_SECONDS if self._clock() - self._asked_seconds < _QUIET_SECONDS else 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers one request, or passes it on."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        path = scope["path"]
        if path == "/predict" and not self.draining:
            # What nearly everybody asks for takes the short way.
            self._asked_seconds = self._clock()
            await self._application(scope, receive, send)
        elif not self._paths.fullmatch(path):
            hint = f"; this slot is {self._name}" if path.startswith("/v2/") else ""
            await self._answer(scope, receive, send, {"error": f"no such path: {path[:100]}{hint}"}, 404)
        elif not self.draining:
            if _WORK.fullmatch(path):
                self._asked_seconds = self._clock()
            await (self._page if path == "/metrics" else self._application)(scope, receive, send)
        elif _READINESS.fullmatch(path):
            await self._answer(scope, receive, send, {"ready": False, "draining": True}, 503, _NOT_READY)
        else:
            await self._application(scope, receive, _closing(send))

    @staticmethod
    async def _answer(
        scope: Any, receive: Any, send: Any, content: dict[str, Any], status: int, headers: dict[str, str] | None = None
    ) -> None:
        from starlette.responses import JSONResponse

        await JSONResponse(content, status, headers)(scope, receive, send)


def _closing(send: Any) -> Any:
    """Returns a `send` after whose answer the connection ends, so that its next request goes to somebody else."""

    async def closing(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        await send(message)

    return closing
