"""Where alerts go: conversations, direct messages by preference, quiet hours; to administrators while no conversation is set."""

from datetime import timedelta

from tests.alerts.conftest import ANA, BO, MIA, TALK, TOM, VERA, Firm


def test_a_connections_trouble_goes_to_whose_it_is_and_to_the_owners(firm: Firm) -> None:
    firm.fail(firm.sync(TOM, run_as=firm.connections[MIA]), "connection_revoked")
    assert firm.targets() == {TALK, f"dm:{MIA}", f"dm:{TOM}"}


def test_the_conversation_of_the_ad_account_comes_before_the_channels_and_that_before_the_organizations(firm: Firm) -> None:
    firm.choose(alert_routes={"channel:meta": "C0META", "account:meta:1002": "C0US"})
    firm.fail(firm.sync(account="1001"), "ad_account_disabled")
    firm.fail(firm.sync(account="1002"), "ad_account_disabled")
    assert firm.targets() == {"conversation:C0META", "conversation:C0US", f"dm:{MIA}"}


def test_without_a_conversation_the_administrators_are_told(firm: Firm) -> None:
    firm.choose(alert_conversation=None)
    firm.fail(firm.sync(), "ad_account_disabled")
    assert firm.targets() == {f"dm:{ANA}", f"dm:{BO}", f"dm:{MIA}"}


def test_people_choose_which_direct_messages_they_get(firm: Firm) -> None:
    firm.prefer(MIA, dms="none")
    firm.prefer(VERA, dms="all")
    firm.fail(firm.sync(MIA), "ad_account_disabled")
    assert firm.targets() == {TALK, f"dm:{VERA}"}


def test_quiet_hours_put_direct_messages_off_and_nothing_else(firm: Firm) -> None:
    firm.prefer(MIA, quiet=["22:00", "07:30"], tz="Europe/Madrid")
    firm.clock.move(hours=14)  # 23:00 UTC: midnight in Madrid
    firm.fail(firm.sync(MIA), "segment_deleted")
    assert firm.post() == [f"post alert {TALK}"] or f"post alert dm:{MIA}" not in firm.post()
    firm.clock.move(hours=7)
    assert f"post alert dm:{MIA}" not in firm.post()
    firm.clock.time += timedelta(minutes=31)
    assert f"post alert dm:{MIA}" in firm.post()


def test_a_note_stays_between_segsync_and_the_owner(firm: Firm) -> None:
    firm.fail(firm.sync(), "audience_too_small")
    assert firm.targets() == {f"dm:{MIA}"}
