"""Every screen with the longest names, a hundred ad accounts and as much of everything as there may be: Slack takes each."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from bot.blocks import alerts, charts, create, details, editing, guide, home, kit, listing, reports, screens, settings, syncs
from bot.handlers.filters import pack
from core.errors import NeedsReconnect
from core.lookup import Hit
from core.models import (
    Action,
    Actor,
    AdAccount,
    Alert,
    AlertState,
    AuditEntry,
    Cadence,
    Campaign,
    Channel,
    Connection,
    ConnectionStatus,
    Counts,
    Phase,
    Progress,
    Refresh,
    RefreshKind,
    RefreshState,
    Role,
    Segment,
    SegmentKind,
    Severity,
    Sync,
    SyncStatus,
)
from core.preferences import Notifications, OrganizationSettings
from core.segments import Segments
from core.syncs import SyncFilter
from core.views import AlertView, Details, Impact, Overview, Preview, SyncPage, Usage
from sandbox.slack.blockkit.surfaces import message_faults, view_faults

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LONG = "<&>*_~`" + "Ж" * 248  # as long as a column holds, all that must be escaped, no letter of one byte
SYNC = Sync(
    id="f" * 32, org_id="T1", number=99_999_999, name=LONG, segment_source="s" * 40, segment_id=LONG, segment_name=LONG,
    segment_kind=SegmentKind.COMPANIES, channel=Channel.LINKEDIN, account_id="9" * 40, account_name=LONG, owner_id="U" + "9" * 20,
    run_as="c" * 32, status=SyncStatus.FAILED, created_at=NOW,
    cadence=Cadence("0,5,10,15,20,25 0-23/2 1-31 1-12 1-5", "America/Argentina/Buenos_Aires"),
    version=999_999, audience_id="9" * 40, first_day=date(2026, 1, 1), last_day=date(2027, 1, 1), guard_share=0.5,
    next_due_at=NOW, refreshed_at=NOW, members=10**12, matchable=10**12, delivered=10**12, matched=10**12,
    failure="internal_error",
)  # fmt: skip
SYNCS = [replace(SYNC, id=f"{i:032}", number=i, status=list(SyncStatus)[i % 4]) for i in range(1, 10_001)]
ACTOR = Actor("T1", SYNC.owner_id, Role.PRIMARY_ADMIN, name=LONG, tz="America/Argentina/Buenos_Aires")
REASONS = {f"{LONG[:60]} {i}": 10**9 for i in range(40)}
REFRESH = Refresh(
    "r" * 32, "T1", SYNC.id, RefreshKind.FULL, RefreshState.FAILED, 1, NOW, NOW, SYNC.owner_id, NOW, NOW,
    Progress(Phase.ADDING, 10**9, 10**12, 1.0, 10**6), Counts(10**9, 10**9, 10**9, 10**9, 10**9, 10**9, 10**9, 10**9, REASONS),
    failure="internal_error",
)  # fmt: skip
CAMPAIGNS = tuple(Campaign(f"c{i}", LONG, "ACTIVE", running=True, excludes=True) for i in range(500))
IMPACT = Impact(SYNC, CAMPAIGNS)
CONNECTION = Connection("c", "T1", ACTOR.user_id, Channel.META, ConnectionStatus.EXPIRING, LONG, ("s",), NOW, NOW, LONG)
CONNECTIONS = {c: replace(CONNECTION, channel=c) for c in Channel}
USAGE = Usage(10_000, 10_000, tuple(SYNCS[:5]))
ALERT = Alert(
    "a" * 32, "T1", "internal_error", "k", Severity.ERROR, AlertState.OPEN, NOW, NOW, 10**6, Channel.LINKEDIN, SYNC.account_id,
    sync_ids=tuple(s.id for s in SYNCS),
)  # fmt: skip
ALERTS = tuple(replace(ALERT, id=f"{i}") for i in range(500))
VIEW = AlertView(ALERT, tuple(SYNCS), whose=SYNC.owner_id, url="https://platform.example/")
SEGMENT = Segment("s" * 40, LONG, LONG, SegmentKind.COMPANIES, 10**12, LONG, NOW, LONG)
PREVIEW = Preview(10**12, 10**12, 0, REASONS, 300, lacks_consent=True)
OVERVIEW = Overview(LONG, CONNECTIONS, dict.fromkeys(Channel, 10**6), dict.fromkeys(SyncStatus, 10**6), USAGE, ALERTS)
DETAILS = Details(
    SYNC, (REFRESH, replace(REFRESH, state=RefreshState.HELD), *(REFRESH,) * 8), ALERTS[:50], SEGMENT, CONNECTION,
    frozenset(Action), "", LONG, tuple(range(30)),
)  # fmt: skip
FILTER = SyncFilter(
    SyncStatus.FAILED, Channel.META, LONG, ACTOR.user_id, LONG, with_alert=True, words=LONG[:80], creator=LONG, sort="-refreshed"
)
SHOWN = listing.Shown(
    pack(FILTER, more=True), "U2", FILTER.status, FILTER.channel, FILTER.owner_id, LONG, LONG, LONG, LONG, True, "-size", True
)  # fmt: skip
FORM = create.Form(
    create.Draft("k" * 150, "meta", "9" * 40, LONG, "cron", "0,5,10 * * * *", "2026-01-01", "2027-01-01", True, 9),
    Usage(9_999, 10_000), CONNECTIONS, tuple(Channel), ACTOR.tz, SEGMENT, preview=PREVIEW, uncounted=LONG,
    match_rate=0.5, cron_means=LONG,
)  # fmt: skip
ENTRY = AuditEntry(1, "T1", NOW, ACTOR.user_id, "slack", LONG[:60], LONG, {"name": LONG, "x": LONG}, {"name": LONG, "y": LONG})
PAGE = SyncPage(tuple(SYNCS[:10]), 500, 1_000, 10_000, {s.id: frozenset({"held", "pause"}) for s in SYNCS[:10]})
BOARD = home.Dashboard(OVERVIEW, tuple(Channel), PAGE, tuple(replace(VIEW, alert=a) for a in ALERTS), 10_000)

SCREENS: dict[str, Callable[[], Any]] = {
    "the form that creates": lambda: create.create_modal(FORM),
    "the form while it asks": lambda: create.create_modal(replace(FORM, asking=True, counting=True, preview=None, error=LONG)),
    "the form with a problem": lambda: create.create_modal(replace(FORM, problem=LONG, cron_means="", cron_wrong=LONG)),
    "the form before anything is connected": lambda: create.create_modal(replace(FORM, connections={})),
    "the limit": lambda: create.limit_modal(USAGE, "U2", administrator=False),
    "what has been created": lambda: create.created(SYNC),
    "the details": lambda: details.details_modal(DETAILS, IMPACT, can_share=True, link="https://x/" + "l" * 500),
    "the details while it asks": lambda: details.details_modal(DETAILS, is_asking=True),
    "editing": lambda: editing.edit_modal(
        SYNC, replace(editing.draft_of(SYNC), name=LONG), guard_default=30, changed=LONG, error=LONG
    ),
    "deleting": lambda: editing.delete_modal(SYNC, IMPACT, audience=True, error=LONG),
    "deleted": lambda: editing.deleted_message(SYNC, audience=True),
    "a dry run": lambda: editing.tried_message(SYNC, replace(REFRESH, state=RefreshState.SUCCEEDED)),
    "a dry run that failed": lambda: editing.tried_message(SYNC, REFRESH),
    "pausing": lambda: screens.pause_modal(SYNC, IMPACT, error=LONG),
    "the list": lambda: listing.list_message(PAGE, SHOWN),
    "the picker": lambda: listing.picker(SYNCS[:25], LONG, "dry-run"),
    "progress": lambda: syncs.progress_message(SYNC, REFRESH),
    "shared": lambda: syncs.shared_message(SYNC, ACTOR.user_id),
    "the overview": lambda: screens.overview_message(OVERVIEW, tuple(Channel), ACTOR),
    "Home": lambda: home.home_view(BOARD, ACTOR),
    "Home of a viewer": lambda: home.home_view(BOARD, replace(ACTOR, role=Role.VIEWER)),
    "connections": lambda: screens.connections_modal(CONNECTIONS, tuple(Channel)),
    "a refused move": lambda: screens.moved("Take over", LONG, Channel.META, connect=NeedsReconnect(LONG), may_ask=True),
    "usage": lambda: reports.usage_message(
        reports.UsageReport(USAGE, tuple((f"{i:02} Mar", 10**6) for i in range(60)), tuple((f"U{i}", 10**6) for i in range(10))),
        ACTOR,
    ),
    "usage as text": lambda: charts.without(SCREENS["usage"]()),
    "the audit log": lambda: reports.audit_message([ENTRY] * 20, 100_000, 2, LONG),
    "a lookup": lambda: kit.modal("Look a person up", reports.found_blocks([Hit(s, True) for s in SYNCS]), callback_id="x"),
    "a lookup by message": lambda: reports.found_message([Hit(s, False) for s in SYNCS]),
    "settings": lambda: settings.settings_modal(
        OrganizationSettings(LONG, 10**6, "C1", "C2", 10**6, (1, 2, 3, 4, 5), 1.0, True, {f"channel:{c}": "C3" for c in Channel})
    ),
    "notifications": lambda: settings.notifications_modal(Notifications("all", ("22:00", "07:00")), ACTOR.tz),
    "an alert": lambda: alerts.alert_message(VIEW),
    "alerts": lambda: alerts.alerts_message(
        [replace(VIEW, alert=replace(ALERT, id=f"{i}")) for i in range(100)], NOW, mine=False
    ),
    "an alert of many syncs": lambda: alerts.alert_modal(VIEW),
    **{
        f"help of {role.label}": lambda role=role: guide.help_message(
            replace(ACTOR, role=role), unknown=LONG, examples=guide.Examples(SYNC)
        )
        for role in Role
    },
}


@pytest.mark.parametrize("name", SCREENS)
def test_slack_takes_every_screen_with_the_most_that_there_can_be(name: str) -> None:
    made = SCREENS[name]()
    if "type" in made:
        faults = view_faults(made, made["type"])
        assert len(made["private_metadata"]) <= 3000 if made["type"] == "modal" else True
    else:
        faults = message_faults(made["blocks"])
        assert len(made["text"]) <= 4000
    assert faults == []


@pytest.mark.parametrize("segment", [SEGMENT, replace(SEGMENT, id="short")])
def test_a_segment_or_an_ad_account_of_any_name_can_be_chosen(segment: Segment) -> None:
    accounts = [AdAccount(Channel.META, f"{i}" * 30, LONG) for i in range(100)]
    options = [create.segment_option(segment), *(create.account_option(a) for a in accounts)]
    select = kit.static_select("x", "x", options)
    assert message_faults([kit.actions(select)]) == []
    assert len(options[0]["value"]) <= 150


def test_a_segment_with_a_long_id_is_found_again_by_what_the_option_carries() -> None:
    class Source:
        name = SEGMENT.source

        def segments(self) -> list[Segment]:
            return [replace(SEGMENT, id="other"), SEGMENT]

        def segment(self, segment_id: str) -> Segment:
            return next(s for s in self.segments() if s.id == segment_id)

    segments = Segments(sources={SEGMENT.source: Source()})  # type: ignore[dict-item]
    assert len(SEGMENT.key) > 150
    assert segments.get(SEGMENT.choice) == SEGMENT
    assert segments.get(SEGMENT.key) == SEGMENT
