"""The Quart-Trio app: routes and lifespan; wires the rooms together.

Model endpoints are listed in one table and are served by the app's own connection class, which hands the request to
an exchange. Everything else (health, the list of models) is an ordinary Quart view. There is one way in: Quart's
test client, plain Hypercorn and our own server all take it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast
from urllib.parse import unquote

import trio
from quart import Request, request
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection
from quart_trio.wrappers import TrioResponse
from werkzeug.exceptions import HTTPException, NotFound

from gateway_schemas import ollama
from trio_gateway import listings
from trio_gateway.body import check_coding
from trio_gateway.config import Config
from trio_gateway.dialects import client_side
from trio_gateway.dialects.wire import read_request
from trio_gateway.endpoints import (
    METHODS,
    VERBS,
    dialect_at,
    find_endpoint,
    served_to,
    unknown_verb,
    with_one_slash_less,
)
from trio_gateway.errors import BodyTooLarge, GatewayError, InvalidRequest, Unavailable, UnknownPath, WrongMethod
from trio_gateway.exchange import Exchange
from trio_gateway.gateway import Gateway
from trio_gateway.observe.logs import ExchangeLog
from trio_gateway.reload import Reloader
from trio_gateway.replies import Receive, Send, error_headers, id_headers
from trio_gateway.routing.report import encode_report
from trio_gateway.server.service import App

# A server that says so in the scope's extensions cancels the app's task itself when the client leaves.
CANCELS_ON_DISCONNECT = "trio_gateway.cancels_on_disconnect"

_VIEW_BODY_MAX_BYTES = 1024 * 1024  # of what is no request to a model


class GatewayConnection(TrioASGIHTTPConnection):
    """Hands requests for models to an exchange that it watches over, and everything else to Quart."""

    app: GatewayApp

    async def __call__(self, receive: Receive, send: Send) -> None:  # type: ignore[override]  # plain ASGI types
        scope = self.scope
        endpoint = find_endpoint(scope["method"], scope["path"], scope["query_string"])
        if endpoint is None:
            await super().__call__(receive, send)  # type: ignore[arg-type]  # as above
            return

        async def serve(watched: Receive) -> None:
            await Exchange(self.app.gateway, endpoint, scope, watched, send).serve()

        await cancelled_on_disconnect(serve, receive)


async def cancelled_on_disconnect(serve: Callable[[Receive], Awaitable[None]], receive: Receive) -> None:
    """Run `serve`, and cancel it when `receive` says that the client has left. Returns normally in both cases."""
    # Size 0: no more of the body is taken off the server than the exchange has asked for.
    bodies_in, bodies_out = trio.open_memory_channel[dict[str, Any]](0)

    async def watch() -> None:
        while (event := await receive())["type"] != "http.disconnect":
            await bodies_in.send(event)
        nursery.cancel_scope.cancel(reason="the client left")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await serve(bodies_out.receive)
        nursery.cancel_scope.cancel(reason="the exchange has ended")


class GatewayApp(QuartTrio):
    """The ASGI app of one gateway. `gateway` is its long-lived state, opened and closed by the lifespan."""

    asgi_http_class = GatewayConnection

    def __init__(self, gateway: Gateway) -> None:
        super().__init__("trio_gateway", static_folder=None)
        self.gateway = gateway
        self.reloader: Reloader | None = None
        self.started = False
        self.config["MAX_CONTENT_LENGTH"] = _VIEW_BODY_MAX_BYTES
        # Strict slashes would redirect; ids of models hold slashes and are taken as they come.
        self.url_map.strict_slashes = False
        self.url_map.merge_slashes = False

    def asgi_app(self, scope: Any, receive: Any, send: Any) -> Coroutine[Any, Any, None]:
        """Quart's own, with a shorter way where the server cancels: nobody has to watch for disconnects there."""
        if CANCELS_ON_DISCONNECT in (scope.get("extensions") or ()):
            endpoint = find_endpoint(scope["method"], scope["path"], scope["query_string"])
            if endpoint is not None:
                return Exchange(self.gateway, endpoint, scope, receive, send).serve()
        return super().asgi_app(scope, receive, send)

    async def handle_user_exception(self, *arguments: Any) -> Any:
        """Answer for a view's error. Quart-Trio does so for one of a group, and forgets the others: tell them.

        Quart-Trio 0.13 gives a context before the error, 0.12 the error alone.
        """
        error = arguments[-1]
        if isinstance(error, BaseExceptionGroup):
            known, bugs = error.split((trio.Cancelled, HTTPException, GatewayError))
            if known is not None and bugs is not None:
                self.logger.error("A view failed beside an error that has its answer", exc_info=bugs)
        return await super().handle_user_exception(*arguments)


def build_app(config: Config, log: ExchangeLog | None = None) -> GatewayApp:
    """Return the ASGI app for a configuration: `hypercorn -k trio` and any other trio ASGI server can serve it.

    `log` takes the records of exchanges in the place of lines on stderr.
    """
    app = GatewayApp(Gateway(config, log))

    @app.before_serving
    async def started() -> None:
        app.gateway.start(app.nursery)
        app.nursery.start_soon(app.gateway.watch.run)
        app.nursery.start_soon(app.gateway.patience.run, app.nursery)
        if app.reloader is not None:
            app.nursery.start_soon(app.reloader.watch)
        app.started = True

    @app.after_serving
    async def stopped() -> None:
        app.started = False
        await app.gateway.aclose()

    app.add_url_rule("/admin/health", "health", _health(app), methods=["GET"])
    app.add_url_rule("/healthz", "healthz", _healthz, methods=["GET"])
    app.add_url_rule("/readyz", "readyz", _readyz(app), methods=["GET"])
    app.add_url_rule("/", "root", _root, methods=["GET"])  # and HEAD: Claude Code and Ollama's clients look first
    for prefix in ("/v1", "/v1beta", "/v1alpha"):
        app.add_url_rule(f"{prefix}/models", f"{prefix}/models", _models(app), methods=["GET"])
        app.add_url_rule(f"{prefix}/models/<path:model>", f"{prefix}/model", _model(app), methods=["GET"])
    app.add_url_rule("/api/tags", "tags", _models(app), methods=["GET"])
    app.add_url_rule("/api/show", "show", _show(app), methods=["POST"])
    app.add_url_rule("/api/version", "version", _version(app), methods=["GET"])
    for path, method in METHODS.items():
        # Served by GatewayConnection before Quart sees them. Known to Quart so that another method is a 405.
        app.add_url_rule(path, path, _unreachable, methods=[method])
    app.after_request(_with_request_id(app))
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(GatewayError, _on_gateway_error)
    return app


def as_asgi(app: GatewayApp) -> App:
    """Return the app as our server calls it: past Quart's own coroutine, which would keep each scope until the end.

    Quart's types name Hypercorn's event types, which are dicts too.
    """
    return cast(App, app.asgi_app)


def from_env() -> GatewayApp:
    """Return the app for the file that TRIO_GATEWAY_CONFIG names, or for the keys in the environment."""
    from trio_gateway.startup import configuration, tell_token

    config = configuration(os.environ.get("TRIO_GATEWAY_CONFIG"), os.environ)
    tell_token(config, sys.stdout)
    return build_app(config)


def _health(app: GatewayApp) -> Callable[[], Awaitable[TrioResponse]]:
    async def health() -> TrioResponse:
        _admit(app, request)
        return _json(200, encode_report(app.gateway.targets, trio.current_time()))

    return health


async def _healthz() -> TrioResponse:
    return _json(200, b'{"status":"ok"}')


def _readyz(app: GatewayApp) -> Callable[[], Awaitable[TrioResponse]]:
    async def readyz() -> TrioResponse:
        if app.started and not app.gateway.draining:
            return _json(200, b'{"status":"ready"}')
        state = b"draining" if app.gateway.draining else b"starting"
        return _json(503, b'{"status":"%b"}' % state)

    return readyz


def _models(app: GatewayApp) -> Callable[[], Awaitable[TrioResponse]]:
    async def models() -> TrioResponse:
        _admit(app, request)
        return _json(200, listings.list_models(_spoken(), await app.gateway.catalogue.models(), request.args))

    return models


def _model(app: GatewayApp) -> Callable[..., Awaitable[TrioResponse]]:
    async def model(model: str) -> TrioResponse:
        _admit(app, request)
        name = unquote(model)
        target = app.gateway.routes.first_target(name)
        return _json(200, listings.one_model(_spoken(), name, target.channel))

    return model


def _show(app: GatewayApp) -> Callable[[], Awaitable[TrioResponse]]:
    async def show() -> TrioResponse:
        _admit(app, request)
        check_coding(dict(request.scope["headers"]).get(b"content-encoding", b""))
        asked = read_request(ollama.show_request_decoder, await request.get_data(True, False, False))
        name = asked.model or asked.name
        if not name:
            raise InvalidRequest("The model is required.", code="missing_value", pointer="/model")
        target = app.gateway.routes.first_target(name)
        return _json(200, listings.show_model(app.gateway.channels[target.channel].capabilities(target.model)))

    return show


def _version(app: GatewayApp) -> Callable[[], Awaitable[TrioResponse]]:
    async def version() -> TrioResponse:
        _admit(app, request)
        return _json(200, listings.version())

    return version


async def _root() -> TrioResponse:
    return TrioResponse(b"Trio Gateway is running", status=200, content_type="text/plain; charset=utf-8")


async def _unreachable() -> TrioResponse:
    if with_one_slash_less(request.method, request.scope["path"]) is not None:
        raise NotFound  # Quart takes a slash at the end for none
    raise Unavailable("This endpoint is served by the gateway's own connection class, which was replaced.")


def _admit(app: GatewayApp, request: Request) -> None:
    client = request.scope.get("client")
    scope = request.scope
    app.gateway.admit(dict(scope["headers"]), client[0] if client else None, scope["query_string"], trio.current_time())


def _with_request_id(app: GatewayApp) -> Callable[[TrioResponse], Awaitable[TrioResponse]]:
    async def with_request_id(response: TrioResponse) -> TrioResponse:
        given = app.gateway.request_id(dict(request.scope["headers"]))
        for name, value in id_headers(_spoken(), given):
            response.headers.setdefault(name.decode("ascii"), value.decode("ascii"))
        return response

    return with_request_id


async def _on_http_error(error: HTTPException) -> TrioResponse:
    path = request.scope["path"]
    bare = with_one_slash_less(request.method, path)
    if bare is not None:
        return _reply_with(
            UnknownPath(f"There is nothing at {path}. Without the slash at its end, {bare} is served."),
            dialect_at(bare, dict(request.scope["headers"])),
        )
    verb = unknown_verb(request.method, path)
    if verb is not None and error.code in (404, 405):
        there_are = ", ".join(f":{known}" for known in VERBS)
        return _reply_with(UnknownPath(f"Models have no :{verb} here. They answer to {there_are}."), "gemini")
    if error.code == 405:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or []))
        wrong = WrongMethod(f"{request.method} is not allowed at {path}; allowed: {allowed}.")
        response = await _on_gateway_error(wrong)
        response.headers["allow"] = allowed
        return response
    if error.code == 404:
        there_are = ", ".join(served_to(_spoken()))
        return await _on_gateway_error(UnknownPath(f"There is nothing at {path}. This API is served at {there_are}."))
    if error.code == 413:
        return await _on_gateway_error(BodyTooLarge(f"The body is larger than {path} takes."))
    return await _on_gateway_error(GatewayError(error.description or "The request failed.", status=error.code))


async def _on_gateway_error(error: GatewayError) -> TrioResponse:
    return _reply_with(error, _spoken())


def _reply_with(error: GatewayError, spoken: str) -> TrioResponse:
    status, body = client_side(spoken).encode_error(error)
    response = _json(status, body)
    for name, value in error_headers(error):
        response.headers[name.decode("ascii")] = value.decode("ascii")
    return response


def _spoken() -> str:
    return dialect_at(request.scope["path"], dict(request.scope["headers"]))


def _json(status: int, body: bytes) -> TrioResponse:
    return TrioResponse(body, status=status, content_type="application/json")
