"""Every code of the catalogue: it has words, actions, somebody who hears of it, and a screen that Slack accepts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.blocks import alerts as blocks
from core import errors
from core.models import Alert, AlertState, Channel, Severity
from core.remedies import REMEDIES
from core.troubleshooting import CATALOGUE, Remedy, Route, Scope, explain, explain_code
from core.views import AlertView
from sandbox.slack.blockkit.surfaces import message_faults, view_faults
from tests.alerts.conftest import ANA, MIA, ORG, TALK, Firm
from tests.alerts.page import PAGE, page

LABELS = {
    Remedy.RETRY: "Retry",
    Remedy.RECONNECT: "Reconnect",
    Remedy.TAKE_OVER: "Take over",
    Remedy.APPLY: "Apply",
    Remedy.KEEP: "Keep the old audience",
    Remedy.OPEN: "Open in Meta",
    Remedy.ACKNOWLEDGE: "Acknowledge",
    Remedy.SNOOZE: "Snooze",
    Remedy.DETAILS: "Details",
}
DETAIL = {"removals": "400", "delivered": "1000", "refresh": "r1", "what": "no column e-mail", "days": "1", "ends": "1 May 2026"}

MOMENT = datetime(2026, 3, 2, tzinfo=UTC)
ALERT = Alert("a", ORG, "segment_deleted", "c", Severity.ERROR, AlertState.OPEN, MOMENT, MOMENT, channel=Channel.META)


def raised(firm: Firm, code: str) -> Alert:
    """An open alert of this code, as it comes about."""
    scope, sync = CATALOGUE[code].scope, firm.sync()
    if scope is Scope.ORGANIZATION:
        limit = 1 if code == "sync_limit_reached" else 2
        firm.store.organizations.ensure(ORG, name="Acme", sync_limit=limit, at=firm.clock.now())
        firm.store.watch.limits(ORG, (50, 100), firm.clock.now())
    else:
        firm.fail(sync, code, **DETAIL)
    return next(a for a in firm.alerts() if a.code == code)


def seen(firm: Firm, alert: Alert) -> AlertView:
    about_connection = CATALOGUE[alert.code].scope is Scope.CONNECTION
    syncs = tuple(firm.store.alerts.syncs(ORG, alert.sync_ids))
    return AlertView(alert, syncs, whose=MIA if about_connection else None, url="https://platform.example/")


def labels(message: dict[str, Any]) -> list[str]:
    elements = [e for b in message["blocks"] for e in b.get("elements", []) if "action_id" in e]
    return [(e.get("text") or e.get("placeholder"))["text"] for e in elements]


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_says_what_happened_and_what_to_do(code: str) -> None:
    for channel in Channel:
        said = explain_code(code, channel=channel.label)
        for text in (said.title, said.cause, said.remedy):
            assert text
            assert "{" not in text
        assert said.remedy.endswith(".")
        assert {Remedy.SNOOZE, Remedy.ACKNOWLEDGE, Remedy.DETAILS} <= set(said.actions)


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_reaches_somebody_by_its_route(firm: Firm, code: str) -> None:
    raised(firm, code)
    told = firm.targets()
    match CATALOGUE[code].route:
        case Route.OWNERS:
            assert told == {f"dm:{MIA}"}
        case Route.ADMINISTRATORS:
            assert {TALK, f"dm:{ANA}"} <= told
        case _:
            assert told == {TALK, f"dm:{MIA}"}


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_has_a_screen_with_its_actions_that_slack_accepts(firm: Firm, code: str) -> None:
    view = seen(firm, raised(firm, code))
    shared = blocks.alert_message(view)
    named = [LABELS[a] for a in CATALOGUE[code].actions]
    if CATALOGUE[code].route is not Route.FAILURE:
        named = [n for n in named if n not in ("Apply", "Keep the old audience")]
    assert labels(shared) == named
    assert explain(view.alert).title in shared["text"]
    own = blocks.alert_message(view, reader=MIA)
    if view.whose == MIA:
        assert "Take over" not in labels(own)
    for message in (shared, own, blocks.alerts_message([view], firm.clock.now(), mine=False)):
        assert message_faults(message["blocks"]) == []
    assert view_faults(blocks.alert_modal(view), "modal") == []


def test_every_error_that_ends_a_refresh_has_its_alert() -> None:
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.ChannelError | errors.SourceError)]
    assert {k.code for k in kinds} <= set(CATALOGUE)


def test_words_of_a_platforms_screens_are_about_codes_that_exist() -> None:
    assert {code for code, _ in REMEDIES} <= set(CATALOGUE)


def test_an_unknown_word_leaves_a_sentence_that_reads() -> None:
    assert "some of some members" in explain_code("segment_shrunk", channel="Meta").cause


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "make docs writes it anew"


def test_many_alerts_with_long_names_fit_one_message(firm: Firm) -> None:
    views = []
    for n in range(30):
        sync = replace(firm.sync(), segment_name="&" * 255, account_name="<" * 255)
        alert = replace(ALERT, id=f"{n:032}", sync_ids=(sync.id,), snoozed_until=firm.clock.now() + timedelta(hours=n))
        views.append(AlertView(alert, tuple(replace(sync, number=i) for i in range(40)), url="https://platform.example/"))
    message = blocks.alerts_message(views, firm.clock.now(), mine=False)
    assert message_faults(message["blocks"]) == []
    assert "more are less severe" in str(message["blocks"][-1])
    assert message_faults(blocks.alert_message(views[0])["blocks"]) == []
    assert view_faults(blocks.alert_modal(views[0]), "modal") == []
