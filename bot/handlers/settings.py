"""Settings of the organization, one's own notifications: forms that say what is wrong beside the input."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from slack_bolt import Ack, App, BoltContext
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.blocks import ids, kit
from bot.blocks import settings as blocks
from bot.handlers.ask import Ask
from core.errors import InvalidInput
from core.models import Actor, Channel
from core.preferences import Notifications, OrganizationSettings, Preferences

_REFUSALS = {
    "shared": "This conversation is shared with another company; choose one that only your own people read.",
    "archived": "This conversation is archived.",
    "absent": "segsync is not in it. Invite it there with /invite @segsync, then save again.",
}


class Settling:
    """`opened`: told of each conversation that alerts go to from now on."""

    def __init__(self, *, preferences: Preferences, opened: Callable[[str, str], object]) -> None:
        self._preferences, self._opened = preferences, opened

    def register(self, app: App) -> None:
        """The two forms."""
        app.view(ids.SETTINGS_FORM)(self.save)
        app.view(ids.NOTIFY_FORM)(self.save_notifications)

    def settings(self, ask: Ask) -> None:
        """`settings`."""
        ask.open(blocks.settings_modal(self._preferences.organization(ask.actor)))

    def notifications(self, ask: Ask) -> None:
        """`notifications`."""
        ask.open(blocks.notifications_modal(self._preferences.notifications(ask.actor), ask.actor.tz))

    def save(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """Errors inline; conversations are looked at now."""
        actor: Actor = context["actor"]
        old = self._preferences.organization(actor)
        values = body["view"]["state"]["values"]
        try:
            new = _read(values, old)
        except InvalidInput as wrong:
            ack(response_action="errors", errors={wrong.field: str(wrong)})
            return
        if wrong_places := _wrong_conversations(client, old, new):
            ack(response_action="errors", errors=wrong_places)
            return
        try:
            saved = self._preferences.set_organization(actor, new)
        except InvalidInput as wrong:
            ack(response_action="errors", errors={wrong.field: str(wrong)})
            return
        ack()
        for place in {saved.alert_conversation, *saved.routes.values()} - {old.alert_conversation, *old.routes.values(), None}:
            self._opened(actor.org_id, str(place))
        if saved != old:
            client.chat_postMessage(channel=actor.user_id, **kit.message("✅ The settings are saved."))

    def save_notifications(self, ack: Ack, body: dict[str, Any], context: BoltContext) -> None:
        """Both ends of the quiet hours, or none."""
        actor: Actor = context["actor"]
        values = body["view"]["state"]["values"]
        dms = str((values[blocks.DMS][ids.NOTIFY_DMS].get("selected_option") or {}).get("value") or "mine")
        begin = values[blocks.QUIET_FROM][ids.NOTIFY_FROM].get("selected_time")
        end = values[blocks.QUIET_TO][ids.NOTIFY_TO].get("selected_time")
        if values.get("quiet_off", {}).get(ids.NOTIFY_OFF, {}).get("selected_options"):
            begin = end = None
        if bool(begin) != bool(end):
            missing = blocks.QUIET_TO if begin else blocks.QUIET_FROM
            ack(response_action="errors", errors={missing: "Quiet hours need a beginning and an end."})
            return
        try:
            self._preferences.set_notifications(actor, Notifications(dms, (begin, end) if begin else None))
        except InvalidInput as wrong:
            ack(response_action="errors", errors={wrong.field: str(wrong)})
            return
        ack()


def _read(values: dict[str, Any], old: OrganizationSettings) -> OrganizationSettings:
    def typed(block: str, action: str) -> str:
        return str(values[block][action].get("value") or "").replace("%", "").strip()

    routes = {k: v for k, v in old.routes.items() if not k.startswith("channel:")}
    for channel in Channel:
        chosen = values[blocks.route_block(channel)][f"{ids.SETTINGS_ROUTE}.{channel.value}"].get("selected_conversation")
        routes |= {f"channel:{channel.value}": chosen} if chosen else {}
    marks = typed(blocks.THRESHOLDS, ids.SETTINGS_THRESHOLDS).replace(",", " ").split()
    cap, guard = typed(blocks.CAP, ids.SETTINGS_CAP), typed(blocks.GUARD, ids.SETTINGS_GUARD)
    for block, said in ((blocks.CAP, [cap] if cap else []), (blocks.THRESHOLDS, marks), (blocks.GUARD, [guard])):
        if not all(s.isascii() and s.isdigit() and len(s) < 9 for s in said):
            raise InvalidInput("Write whole numbers.", field=block)
    policy = values[blocks.POLICY][ids.SETTINGS_POLICY].get("selected_options") or []
    return replace(
        old,
        alert_conversation=values[blocks.ALERTS][ids.SETTINGS_ALERTS].get("selected_conversation"),
        approval_conversation=values[blocks.APPROVALS][ids.SETTINGS_APPROVALS].get("selected_conversation"),
        own_cap=int(cap) if cap else None,
        thresholds=tuple(sorted({int(m) for m in marks})),
        guard_share=int(guard) / 100,
        approve_pauses=bool(policy),
        routes=routes,
    )


def _wrong_conversations(client: WebClient, old: OrganizationSettings, new: OrganizationSettings) -> dict[str, str]:
    """Beside which input, and why, a newly chosen conversation cannot be written to."""
    chosen = {blocks.ALERTS: new.alert_conversation, blocks.APPROVALS: new.approval_conversation}
    before = {blocks.ALERTS: old.alert_conversation, blocks.APPROVALS: old.approval_conversation}
    for channel in Channel:
        chosen[blocks.route_block(channel)] = new.routes.get(f"channel:{channel.value}")
        before[blocks.route_block(channel)] = old.routes.get(f"channel:{channel.value}")
    wrong = {block: refusal(client, place) for block, place in chosen.items() if place and place != before[block]}
    return {block: why for block, why in wrong.items() if why}


def refusal(client: WebClient, conversation: str) -> str:
    """Why a conversation cannot be written to, in words; empty when it can."""
    try:
        found: dict[str, Any] = client.conversations_info(channel=conversation)["channel"]
    except SlackApiError:
        return _REFUSALS["absent"]
    if found.get("is_ext_shared") or found.get("is_pending_ext_shared"):
        return _REFUSALS["shared"]
    if found.get("is_archived"):
        return _REFUSALS["archived"]
    return "" if found.get("is_member") else _REFUSALS["absent"]
