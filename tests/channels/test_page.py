"""The page about the platforms' errors is the one that the tables give."""

import pytest

from core.troubleshooting import CATALOGUE
from tests.channels.page import PAGE, TABLES, Table, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "make docs writes it anew"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.channel.label)
def test_each_error_of_a_platform_becomes_an_alert_of_the_catalogue(table: Table) -> None:
    assert {kind.code for kind in table.rows.values()} <= set(CATALOGUE)
    assert len(table.rows) > 15
