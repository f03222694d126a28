"""Slack over HTTP: signed requests go to Bolt on threads of their own, so that one that is slow keeps no other waiting."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from slack_bolt import App, BoltRequest, BoltResponse
from slack_bolt.adapter.starlette.handler import to_bolt_request, to_starlette_response
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

MOST_BYTES = 2 << 20


def slack_routes(app: App, *, threads: int) -> list[Route]:
    """`/slack/events` for everything that Slack sends; the pages of an installation where the app has OAuth."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="slack-http")

    async def answered(request: Request, work: Callable[[BoltRequest], BoltResponse]) -> Response:
        body = await request.body()
        if len(body) > MOST_BYTES:
            return Response(status_code=413)
        asked = to_bolt_request(request, body)
        return to_starlette_response(await asyncio.get_running_loop().run_in_executor(pool, work, asked))

    async def events(request: Request) -> Response:
        return await answered(request, app.dispatch)

    routes = [Route("/slack/events", events, methods=["POST"])]
    flow = app.oauth_flow
    if flow is not None:

        async def install(request: Request) -> Response:
            return await answered(request, flow.handle_installation)

        async def callback(request: Request) -> Response:
            return await answered(request, flow.handle_callback)

        routes += [Route("/slack/install", install), Route("/slack/oauth_redirect", callback)]
    return routes
