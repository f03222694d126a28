"""Usage, the audit log, exports, lookups."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from slack_bolt import Ack, App, BoltContext, Respond
from slack_sdk import WebClient

from bot.asking import LAID_S, Asking
from bot.blocks import ids, kit, screens
from bot.blocks import reports as blocks
from bot.directory import Directory
from bot.handlers.ask import Ask, chosen, redraw, send, show
from bot.handlers.filters import parse, plain
from core.access import require
from core.audit import Audit, AuditFilter
from core.errors import InvalidInput, SegsyncError
from core.lookup import Lookup
from core.models import Action, Actor, IdentifierKind
from core.syncs import Syncs

_PARTS = re.compile(r'(\w+):("[^"]*"|<[^>]*>|\S+)|(\S+)')


class Reporting:
    """What is asked of the past."""

    def __init__(self, *, syncs: Syncs, audit: Audit, lookup: Lookup, asking: Asking, directory: Directory) -> None:
        self._syncs, self._audit, self._lookup, self._asking, self._directory = syncs, audit, lookup, asking, directory

    def register(self, app: App) -> None:
        """Buttons and the form."""
        app.action(ids.USAGE_SHARE)(self.share_usage)
        app.action(re.compile(rf"^{re.escape(ids.AUDIT_PAGE)}\."))(self.turn)
        app.action(ids.AUDIT_EXPORT)(self.export_audit)
        app.action(ids.LIST_EXPORT)(self.export_list)
        app.view(ids.LOOKUP_FORM)(self.look_up)

    def usage(self, ask: Ask) -> None:
        """`usage`."""
        ask.say(self._usage(ask.actor))

    def share_usage(self, ack: Ack, respond: Respond, context: BoltContext) -> None:
        """*Share here*: everybody in the conversation reads it."""
        ack()
        message = self._usage(context["actor"], is_shared=True)
        send(respond, message, response_type="in_channel", replace_original=False)

    def audit(self, ask: Ask) -> None:
        """`audit [filters]`."""
        ask.say(self._page(ask.actor, ask.client, plain(ask.words), 1))

    def turn(self, ack: Ack, body: dict[str, Any], client: WebClient, respond: Respond, context: BoltContext) -> None:
        """Another page in the same message."""
        ack()
        words, number = _carried(body), chosen(body)
        message = self._page(context["actor"], client, words, int(number) if number.isdigit() else 1)
        redraw(client, respond, body, message)

    def export(self, ask: Ask) -> None:
        """`export [filters]`: the list; `export audit [filters]`: the audit log."""
        word, _, rest = plain(ask.words).partition(" ")
        if word.lower() == "audit":
            require(ask.actor, Action.AUDIT)
            wanted = self._filter(ask.actor, ask.client, rest)
            ask.say(blocks.on_its_way("The audit log"))
            self._send(ask.client, ask.actor, "audit", lambda: self._audit.export_entries(ask.actor, wanted))
            return
        find = self._find(ask.client, ask.actor)
        filters = parse(ask.words, ask.actor.user_id, find)
        ask.say(blocks.on_its_way("The list"))
        self._send(ask.client, ask.actor, "syncs", lambda: self._audit.export_syncs(ask.actor, filters))

    def export_audit(self, ack: Ack, body: dict[str, Any], client: WebClient, respond: Respond, context: BoltContext) -> None:
        """*Export as CSV* under the audit log."""
        ack()
        actor: Actor = context["actor"]
        require(actor, Action.AUDIT)
        wanted = self._filter(actor, client, _carried(body))
        respond(**blocks.on_its_way("The audit log"), response_type="ephemeral", replace_original=False)
        self._send(client, actor, "audit", lambda: self._audit.export_entries(actor, wanted))

    def export_list(self, ack: Ack, body: dict[str, Any], client: WebClient, respond: Respond, context: BoltContext) -> None:
        """*Export as CSV* under the list."""
        ack()
        actor: Actor = context["actor"]
        filters = parse(_carried(body).removeprefix("+"), actor.user_id)
        respond(**blocks.on_its_way("The list"), response_type="ephemeral", replace_original=False)
        self._send(client, actor, "syncs", lambda: self._audit.export_syncs(actor, filters))

    def lookup(self, ask: Ask) -> None:
        """`lookup`."""
        self._lookup.require(ask.actor)
        ask.open(blocks.lookup_modal())

    def look_up(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """The form was submitted: hashed here, and the value forgotten."""
        actor: Actor = context["actor"]
        values = body["view"]["state"]["values"]
        kind = IdentifierKind(values["kind"][ids.LOOKUP_KIND]["selected_option"]["value"])
        try:
            digests = self._lookup.digests(actor, kind, str(values["value"][ids.LOOKUP_VALUE].get("value") or ""))
        except InvalidInput as wrong:
            ack(response_action="errors", errors={wrong.field: str(wrong)})
            return
        ack(response_action="update", view=blocks.looking_modal())
        view_id = body["view"]["id"]

        def answered(answer: Any) -> None:
            if isinstance(answer, SegsyncError):
                said = f"🔴 {kit.esc(str(answer))}"
                if not show(client, view_id, screens.problem(said)):
                    client.chat_postMessage(channel=actor.user_id, **kit.message(said))
                return
            view = kit.modal("Look a person up", blocks.found_blocks(answer), callback_id=ids.PROBLEM)
            if not show(client, view_id, view):
                client.chat_postMessage(channel=actor.user_id, **blocks.found_message(answer))

        self._asking.later(lambda: self._lookup.find(actor, digests), answered, after_s=LAID_S)

    def _usage(self, actor: Actor, *, is_shared: bool = False) -> kit.Message:
        trend, owners = self._syncs.trend(actor), self._syncs.owners(actor)
        points = tuple((f"{at:%d %b}", used) for at, used in trend)
        report = blocks.UsageReport(self._syncs.usage(actor), points, tuple(owners))
        return blocks.usage_message(report, actor, is_shared=is_shared)

    def _page(self, actor: Actor, client: WebClient, words: str, page: int) -> kit.Message:
        entries, total = self._audit.search(actor, self._filter(actor, client, words), page)
        return blocks.audit_message(entries, total, page, words)

    def _filter(self, actor: Actor, client: WebClient, words: str) -> AuditFilter:
        return audit_filter(words, actor, self._find(client, actor))

    def _find(self, client: WebClient, actor: Actor) -> Callable[[str], str | None]:
        return lambda name: self._directory.find(client, actor.org_id, name)

    def _send(self, client: WebClient, actor: Actor, what: str, make: Callable[[], bytes]) -> None:
        """A file into the asker's direct messages, made beside everything else."""

        def answered(answer: Any) -> None:
            if isinstance(answer, SegsyncError):
                client.chat_postMessage(channel=actor.user_id, **kit.message(f"🔴 {kit.esc(str(answer))}"))
                return
            opened: Any = client.conversations_open(users=[actor.user_id])
            title = {"audit": "Audit log", "syncs": "Segment syncs"}[what]
            client.files_upload_v2(
                channel=opened["channel"]["id"],
                filename=f"segsync-{what}.csv",
                title=title,
                content=answer,
                initial_comment=f"📄 {title}, {len(answer) / 1024:,.0f} KB",
            )

        self._asking.later(make, answered)


def audit_filter(words: str, actor: Actor, find: Callable[[str], str | None]) -> AuditFilter:
    """`by:@ana action:pause sync:S-42 since:2026-03-01 until:2026-04-01 words`, days in the asker's zone. Raises InvalidInput."""
    wanted, rest = AuditFilter(), []
    for key, raw, word in _PARTS.findall(plain(words)):
        said = raw.strip('"')
        match key.lower():
            case "by" | "who":
                wanted = replace(wanted, actor_id=parse(f"by:{raw}", actor.user_id, find).owner_id)
            case "action" | "what":
                wanted = replace(wanted, action=said.lower())
            case "sync":
                wanted = replace(wanted, subject=f"sync S-{said.upper().removeprefix('S-')}")
            case "since" | "from":
                wanted = replace(wanted, since=_day(said, actor.tz))
            case "until" | "before":
                wanted = replace(wanted, until=_day(said, actor.tz))
            case _:
                rest.append(word or f"{key}:{said}")
    return replace(wanted, words=" ".join(rest)[:80])


def _day(said: str, tz: str) -> datetime:
    try:
        day = datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise InvalidInput("Write days as 2026-03-01: `since:2026-03-01`.", field="since") from error
    return datetime.combine(day, time(), ZoneInfo(tz)).astimezone(UTC)


def _carried(body: dict[str, Any]) -> str:
    return str(body["actions"][0]["block_id"]).partition("|")[2]
