"""`auth.*`, `apps.*`, `oauth.*`, `api.test`, `team.info`, `bots.info`, `blocks.validate`, `emoji.list`."""

import asyncio
import base64
import binascii

from sandbox.slack.api.calls import Call, Grant, Method, Tools, invalid
from sandbox.slack.blockkit.surfaces import message_faults, view_faults
from sandbox.slack.faces import ENTERPRISE_ID, ENTERPRISE_NAME, TEAM_DOMAIN
from sandbox.slack.refusal import Refused
from sandbox.slack.state import JSON, App
from sandbox.slack.workspace import Workspace
from sandbox.world import TEAM_ID, TEAM_NAME


def auth_test(call: Call) -> JSON:
    """Who the token is."""
    app = call.app
    answer: JSON = {
        "url": f"{call.space.world.base_url}/",
        "team": ENTERPRISE_NAME if app.org_wide else TEAM_NAME,
        "user": app.name,
        "team_id": ENTERPRISE_ID if app.org_wide else TEAM_ID,
        "user_id": app.bot_user_id,
        "bot_id": app.bot_id,
        "app_id": app.id,
        "is_enterprise_install": app.org_wide,
    }
    if app.org_wide:
        answer["enterprise_id"] = ENTERPRISE_ID
    return answer


def auth_revoke(call: Call) -> JSON:
    """Give the bot token back; the app hears `tokens_revoked`."""
    if not call.flag("test"):
        revoke(call)
    return {"revoked": not call.flag("test")}


def revoke(call: Call) -> None:
    """The bot token is no good from now on."""
    call.app.token_state = "token_revoked"  # noqa: S105 - Slack's error code
    call.space.keep_app(call.app)
    tell_revoked(call.tools, call.app)


def tell_revoked(tools: Tools, app: App) -> list[asyncio.Task[None]]:
    """The app hears that its bot token is no good any more."""
    inner: JSON = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [app.bot_user_id]}}
    return tools.events.send("tokens_revoked", inner, apps=[app])


def renew_token(space: Workspace, app: App) -> None:
    """A fresh bot token for an app that is installed again; the old one keeps its error."""
    app.old_tokens[app.bot_token] = app.token_state
    app.bot_token = f"xoxb-{space.ids.digits(12)}-{space.ids.digits(13)}-{space.ids.letters(24)}"
    app.installed, app.token_state = True, "good"


def connections_open(call: Call) -> JSON:
    """A URL for one Socket Mode connection."""
    if not call.app.installed:
        raise Refused("account_inactive")
    return {"url": call.tools.link.ticket(call.app.id)}


async def uninstall(call: Call) -> JSON:
    """Take the app out of the workspace: `tokens_revoked`, `app_uninstalled`, then its sockets are told to go."""
    app = call.app
    if (call.maybe("client_id"), call.maybe("client_secret")) != (app.client_id, app.client_secret):
        raise Refused("bad_client_secret" if call.maybe("client_id") == app.client_id else "invalid_client_id")
    await remove(call)
    return {}


async def remove(call: Call) -> None:
    """What an uninstall does, whoever asks for it."""
    app, events = call.app, call.tools.events
    under_way = tell_revoked(call.tools, app)
    under_way += events.send("app_uninstalled", {"type": "app_uninstalled"}, apps=[app])
    app.installed = False
    app.token_state = "account_inactive"  # noqa: S105
    call.space.keep_app(app)
    for channel in call.space.channels.values():
        if channel.kind != "im" and app.bot_user_id in channel.members:
            channel.members.remove(app.bot_user_id)
            call.space.keep_channel(channel)
    call.space.drop_views([v for v in call.space.views.values() if v.app_id == app.id and v.is_modal])
    call.tools.delivery.leave_after(app.id, under_way)


def oauth_access(call: Call) -> JSON:
    """Exchange the code of the install page for a bot token (docs.slack.dev, installing with OAuth)."""
    client_id, secret = _client(call)
    app = next((a for a in call.space.apps.values() if a.client_id == client_id), None)
    if app is None:
        raise Refused("invalid_client_id")
    if secret != app.client_secret:
        raise Refused("bad_client_secret")
    grant = call.tools.codes.pop(call.text("code"), None)
    if grant is None or grant.app_id != app.id or call.space.ids.now() > grant.expires:
        raise Refused("invalid_code")
    if (call.maybe("redirect_uri") or grant.redirect_uri) != grant.redirect_uri:
        raise Refused("bad_redirect_uri")
    return _installed(call, app, grant)


def _client(call: Call) -> tuple[str, str]:
    """Client id and secret: as arguments, or as HTTP Basic authentication."""
    if call.authorization.startswith("Basic "):
        try:
            name, _, secret = base64.b64decode(call.authorization[6:]).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Refused("invalid_client_id") from error
        return name, secret
    return call.text("client_id"), call.text("client_secret")


def _installed(call: Call, app: App, grant: Grant) -> JSON:
    app.scopes, app.installer = grant.scopes, grant.user
    if app.token_state != "good":  # noqa: S105
        renew_token(call.space, app)
    call.space.keep_app(app)
    for person in call.space.people:
        call.space.dm(person.id, app)
    return {
        "app_id": app.id,
        "authed_user": {"id": grant.user},
        "scope": ",".join(app.scopes),
        "token_type": "bot",
        "access_token": app.bot_token,
        "bot_user_id": app.bot_user_id,
        "team": None if app.org_wide else {"id": TEAM_ID, "name": TEAM_NAME},
        "enterprise": {"id": ENTERPRISE_ID, "name": ENTERPRISE_NAME} if app.org_wide else None,
        "is_enterprise_install": app.org_wide,
    }


def api_test(call: Call) -> JSON:
    """Echo, or the error that was asked for."""
    if error := call.maybe("error"):
        raise Refused(error, args=call.args)
    return {"args": call.args}


def team_info(call: Call) -> JSON:
    """The workspace."""
    url = f"{call.space.world.base_url}/"
    icon = {"image_default": True}
    return {"team": {"id": TEAM_ID, "name": TEAM_NAME, "url": url, "domain": TEAM_DOMAIN, "email_domain": "acme.example",
                     "icon": icon, "is_verified": False, "lob_sales_home_enabled": False}}  # fmt: skip


def bots_info(call: Call) -> JSON:
    """A bot by its `B…` id."""
    app = next((a for a in call.space.apps.values() if a.bot_id == call.maybe("bot")), None)
    if app is None:
        raise Refused("bot_not_found")
    return {"bot": {"id": app.bot_id, "deleted": not app.installed, "name": app.name, "updated": 1767225600,
                    "app_id": app.id, "user_id": app.bot_user_id, "icons": {}}}  # fmt: skip


def blocks_validate(call: Call) -> JSON:
    """What Block Kit would refuse in `blocks`, in a `view` or in a `message`; needs no token."""
    view, message = call.args.get("view"), call.args.get("message")
    if view is not None:
        kind = view.get("type") if isinstance(view, dict) else None
        faults = view_faults(view, "home" if kind == "home" else "modal")
    elif message is not None:
        faults = message_faults(message.get("blocks") if isinstance(message, dict) else None, "/message/blocks")
    elif "blocks" in call.args:
        faults = message_faults(call.args["blocks"])
    else:
        raise invalid("missing required field: blocks")
    if not faults:
        return {"errors": []}
    errors = [{"code": _code(f.message), "message": f.message, "pointer": f.pointer} for f in faults]
    raise Refused("invalid_blocks", errors=errors)


def _code(message: str) -> str:
    return message.split(":", maxsplit=1)[0].replace(" ", "_").lower()[:40]


METHODS = {
    "api.test": Method(api_test, 4, caller="none"),
    "apps.connections.open": Method(connections_open, 3, caller="app"),
    "apps.uninstall": Method(uninstall, 3),
    "auth.revoke": Method(auth_revoke, 3),
    "auth.test": Method(auth_test, 5),
    "blocks.validate": Method(blocks_validate, 3, caller="none"),
    "bots.info": Method(bots_info, 3, ("users:read",)),
    "emoji.list": Method(lambda call: {"emoji": {}, "cache_ts": call.space.ids.ts()}, 2, ("emoji:read",)),
    "oauth.v2.access": Method(oauth_access, 4, caller="none"),
    "team.info": Method(team_info, 3, ("team:read",)),
}
