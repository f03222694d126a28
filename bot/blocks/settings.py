"""Settings of the organization, and one's own notifications."""

from typing import Any

from bot.blocks import ids, kit
from core.models import Channel
from core.preferences import Notifications, OrganizationSettings

ALERTS, APPROVALS, CAP, THRESHOLDS, GUARD, POLICY = "alerts", "approvals", "cap", "thresholds", "guard", "policy"
DMS, QUIET_FROM, QUIET_TO = "dms", "quiet_from", "quiet_to"
_DMS = (
    ("Only about my own syncs and connections", "mine"),
    ("About everything in the organization", "all"),
    ("None", "none"),
)


def route_block(channel: Channel) -> str:
    """The input for one channel's own alert conversation."""
    return f"route.{channel.value}"


def settings_modal(now: OrganizationSettings) -> kit.View:
    """What administrators set; the contract's limit is only shown."""
    approve = kit.option("An administrator agrees before a sync is paused that running campaigns use", "approve")
    policy: kit.Element = {"type": "checkboxes", "action_id": ids.SETTINGS_POLICY, "options": [approve]}
    if now.approve_pauses:
        policy["initial_options"] = [approve]
    marks = ", ".join(str(t) for t in now.thresholds)
    cap = str(now.own_cap) if now.own_cap is not None else ""
    hint = "segsync must be in it: `/invite @segsync`. Conversations shared with another company are refused."
    blocks = [
        kit.field(
            "Alert conversation",
            _conversation(ids.SETTINGS_ALERTS, now.alert_conversation),
            block_id=ALERTS,
            hint=hint,
            optional=True,
        ),
        kit.field(
            "Approval conversation",
            _conversation(ids.SETTINGS_APPROVALS, now.approval_conversation),
            block_id=APPROVALS,
            optional=True,
        ),
        *(
            kit.field(
                f"Alerts about {c.label} go to",
                _conversation(f"{ids.SETTINGS_ROUTE}.{c.value}", now.routes.get(f"channel:{c.value}")),
                block_id=route_block(c),
                optional=True,
            )
            for c in Channel
        ),
        kit.field(
            "Own cap on active syncs",
            kit.text_input(ids.SETTINGS_CAP, f"{now.sync_limit}, as in the contract", initial=cap),
            block_id=CAP,
            hint=f"Your contract allows {now.sync_limit}; the operator sets that. A cap of your own may be lower.",
            optional=True,
        ),
        kit.field(
            "Tell when this share of the sync limit is used, in percent",
            kit.text_input(ids.SETTINGS_THRESHOLDS, "80, 95, 100", initial=marks),
            block_id=THRESHOLDS,
        ),
        kit.field(
            "Guard, in percent",
            kit.text_input(ids.SETTINGS_GUARD, "30", initial=f"{round(now.guard_share * 100)}"),
            block_id=GUARD,
            hint="If a refresh would remove more than this share of an audience, it waits for somebody to decide.",
        ),
        kit.field("Pausing", policy, block_id=POLICY, optional=True),
    ]
    return kit.modal("Settings", blocks, callback_id=ids.SETTINGS_FORM, submit="Save", close="Cancel")


def notifications_modal(now: Notifications, tz: str) -> kit.View:
    """Which direct messages somebody gets, and when not."""
    options = [kit.option(text, value) for text, value in _DMS]
    chosen = next(o for o in options if o["value"] == now.dms)
    radio = {"type": "radio_buttons", "action_id": ids.NOTIFY_DMS, "options": options, "initial_option": chosen}
    begin, end = now.quiet or ("", "")
    blocks = [
        kit.field("Direct messages about alerts", radio, block_id=DMS),
        kit.field("Quiet from", _time(ids.NOTIFY_FROM, begin), block_id=QUIET_FROM, optional=True),
        kit.field("Quiet until", _time(ids.NOTIFY_TO, end), block_id=QUIET_TO, optional=True),
        kit.context(f"In your time zone, {tz}. What comes meanwhile waits for the end of your quiet hours."),
    ]
    if now.quiet:
        off = {"type": "checkboxes", "action_id": ids.NOTIFY_OFF, "options": [kit.option("No quiet hours any more", "off")]}
        blocks.append(kit.field("Quiet hours", off, block_id="quiet_off", optional=True))
    return kit.modal("Notifications", blocks, callback_id=ids.NOTIFY_FORM, submit="Save", close="Cancel")


def _conversation(action_id: str, now: str | None) -> kit.Element:
    element: kit.Element = {
        "type": "conversations_select",
        "action_id": action_id,
        "placeholder": kit.plain("None", 150),
        "filter": {"include": ["public", "private"], "exclude_external_shared_channels": True, "exclude_bot_users": True},
    }
    if now:
        element["initial_conversation"] = now
    return element


def _time(action_id: str, now: str) -> kit.Element:
    element: dict[str, Any] = {"type": "timepicker", "action_id": action_id, "placeholder": kit.plain("None", 150)}
    if now:
        element["initial_time"] = now
    return element
