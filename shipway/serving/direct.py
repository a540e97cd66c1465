"""The same contract without BentoML around it: one ASGI application in one process.

`serving.runtime: direct` in model.yaml chooses it. A prediction goes straight to its handler; every other request goes
through the application that BentoML mounts. So the answers are the same by construction, and what is missing is
BentoML's own: its series `bentoml_service_*`, its traces, its batching.
"""

from typing import Any, Protocol

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shipway.serving.application import build_application, predict
from shipway.serving.runtime import Runtime

__all__ = ["DirectApplication", "Service"]


class Service(Protocol):
    """The class of a service, as `shipway.serving.base.ModelService` is one; making an instance opens its slot."""

    def __call__(self) -> Any: ...

    def current(self) -> Runtime:
        """Returns the runtime of the instance that was made."""
        ...


class DirectApplication:
    """An ASGI application that makes the service when it starts.

    Args:
        service: the class.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._others = build_application(service.current)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers one request, or runs the application's life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        path = scope["path"]
        if path == "/predict" and scope["method"] == "POST":
            response = await predict(Request(scope, receive), self._service.current())
        elif path in ("/livez", "/readyz", "/healthz", "/metrics"):
            response = self._page(path, self._service.current())
            if scope["method"] not in ("GET", "HEAD"):
                response = JSONResponse({"error": "Method Not Allowed"}, 405, {"allow": "GET, HEAD"})
        else:
            await self._others(scope, receive, send)
            return
        await response(scope, receive, send)

    @staticmethod
    def _page(path: str, runtime: Runtime) -> Response:
        if path == "/metrics":
            page = runtime.measures.page() + runtime.inputs.page().encode()
            return Response(page, media_type=CONTENT_TYPE_LATEST)
        if path == "/readyz":
            return JSONResponse({"ready": runtime.ready}, 200 if runtime.ready else 503)
        return JSONResponse({"live": True})

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        self._service()
        runtime = self._service.current()
        try:
            await runtime.start()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await runtime.stop()
        await send({"type": "lifespan.shutdown.complete"})
