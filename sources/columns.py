"""Which column of a segment holds what: as declared, else by its usual name."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import ColumnsMissing
from core.models import SegmentKind
from core.ports import ColumnMap

USUAL: dict[str, tuple[str, ...]] = {
    "email": ("email", "e_mail", "mail", "email_address", "work_email", "email1", "email2", "email_2", "private_email"),
    "phone": ("phone", "phone_number", "telephone", "tel", "mobile_phone", "cell", "phone1", "phone2", "phone_2", "work_phone"),
    "first_name": ("first_name", "firstname", "given_name", "fn"),
    "last_name": ("last_name", "lastname", "surname", "family_name", "ln"),
    "country": ("country", "country_code"),
    "postal_code": ("postal_code", "postcode", "zip", "zip_code", "plz"),
    "mobile": ("mobile_id", "maid", "madid", "idfa", "gaid", "google_aid", "mobile_advertiser_id"),
    "domain": ("domain", "company_domain", "website", "company_website"),
    "company": ("company", "company_name", "account_name", "organization"),
    "page": ("company_page", "linkedin_page", "company_page_url", "linkedin_url", "page"),
}
MANY = ("email", "phone", "mobile")


def column_map(
    names: Sequence[str],
    declared: Mapping[str, Any],
    *,
    consent: str | None = None,
    default_country: str | None = None,
    strict: bool = True,
) -> ColumnMap:
    """`declared`: field → column, or columns for e-mail, phone and mobile id. `consent`: the source's own consent column.

    Raises ColumnsMissing for a declared column that is not there: it must never mean "without".
    """
    plain = {name.strip().lower().replace("-", "_").replace(" ", "_"): name for name in reversed(names)}
    found: dict[str, Any] = {}
    for field, usual in USUAL.items():
        there = tuple(plain[u] for u in usual if u in plain)
        found[field] = there if field in MANY else next(iter(there), None)
    if consent:
        found["consent"] = consent
    for field, said in declared.items():
        found[field] = (tuple(said) if isinstance(said, list) else (said,)) if field in MANY else said
    found["default_country"] = default_country
    needed = [c for c in (found.get("key"), found.get("consent")) if c]
    needed += [c for said in declared.values() for c in (said if isinstance(said, list) else [said])]
    is_people = found["email"] or found["phone"] or found["mobile"]
    if not is_people and found.get("consent") == consent and consent not in names:
        found["consent"], needed = None, [c for c in needed if c != consent]  # companies are asked nothing
    missing = sorted({c for c in needed if c not in names})
    if strict and missing:
        raise ColumnsMissing(f"The segment lacks the column {', '.join(missing)}.", missing=missing)
    return ColumnMap(**found)


def kind_of(columns: ColumnMap) -> SegmentKind:
    """What columns hold, where nobody said: people as soon as there is something to reach one by."""
    return SegmentKind.CONTACTS if columns.email or columns.phone or columns.mobile else SegmentKind.COMPANIES
