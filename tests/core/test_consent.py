"""The one place where a permission is decided. V3 contract 3.9."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everlist.core.consent import (
    BY_ACCOUNT,
    BY_CONTACT,
    EXPLICIT,
    IMPLICIT,
    MAILABLE,
    NOT_SET,
    PENDING,
    PERMISSIONS,
    SOURCES,
    TEMP_HOLD,
    UNSUBSCRIBED,
    EmailConsent,
    changed,
    initial,
    signed_up,
)
from everlist.errors import Invalid

EARLIER = datetime(2026, 1, 1, tzinfo=UTC)
NOW = EARLIER + timedelta(days=1)


def holds_together(consent: EmailConsent) -> None:
    """What the table's CHECKs ask for, and what follows from the words."""
    assert consent.permission in PERMISSIONS
    assert (consent.permission == UNSUBSCRIBED) == (consent.opt_out_at is not None)
    assert (consent.opt_out_at is None) == (consent.opt_out_source is None)
    assert consent.opt_out_at is not None or consent.opt_out_reason is None
    assert consent.opt_in_source in SOURCES
    if consent.permission in MAILABLE:
        assert consent.opt_in_at is not None


@pytest.mark.parametrize(("source", "permission"), [(BY_ACCOUNT, IMPLICIT), (BY_CONTACT, EXPLICIT)])
def test_a_new_address(source: str, permission: str) -> None:
    assert initial(source, now=NOW) == EmailConsent(permission, source, NOW)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("requested", [NOT_SET, PENDING, TEMP_HOLD])
def test_a_new_address_that_is_not_mailable(source: str, requested: str) -> None:
    assert initial(source, requested=requested, now=NOW) == EmailConsent(requested, source)


@pytest.mark.parametrize("source", SOURCES)
def test_a_new_address_that_is_unsubscribed(source: str) -> None:
    consent = initial(source, requested=UNSUBSCRIBED, reason="moved", now=NOW)
    assert consent == EmailConsent(
        UNSUBSCRIBED, source, opt_out_source=source, opt_out_at=NOW, opt_out_reason="moved"
    )


@pytest.mark.parametrize("requested", [None, *PERMISSIONS])
def test_a_suppressed_address_begins_opted_out_by_its_person(requested: str | None) -> None:
    consent = initial(BY_ACCOUNT, requested=requested, suppressed_at=EARLIER, now=NOW)
    assert (consent.permission, consent.opt_out_source, consent.opt_out_at) == (
        UNSUBSCRIBED,
        BY_CONTACT,
        EARLIER,
    )
    holds_together(consent)


def test_the_person_lifts_a_suppression() -> None:
    assert initial(BY_CONTACT, suppressed_at=EARLIER, now=NOW) == EmailConsent(EXPLICIT, BY_CONTACT, NOW)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("permission", PERMISSIONS)
def test_no_request_no_change(source: str, permission: str) -> None:
    before = initial(BY_ACCOUNT, requested=permission, now=EARLIER)
    assert changed(before, source, requested=None, now=NOW) is before
    if permission != UNSUBSCRIBED:
        assert changed(before, source, requested=permission, now=NOW) is before


@pytest.mark.parametrize("source", SOURCES)
def test_explicit_does_not_become_implicit(source: str) -> None:
    with pytest.raises(Invalid, match="permission: explicit cannot become implicit"):
        changed(initial(BY_CONTACT, now=EARLIER), source, requested=IMPLICIT, now=NOW)


@pytest.mark.parametrize("requested", [EXPLICIT, IMPLICIT, NOT_SET, PENDING, TEMP_HOLD])
def test_an_account_does_not_lift_the_persons_opt_out(requested: str) -> None:
    before = initial(BY_CONTACT, requested=UNSUBSCRIBED, now=EARLIER)
    with pytest.raises(Invalid, match="only the contact can subscribe again"):
        changed(before, BY_ACCOUNT, requested=requested, now=NOW)


def test_an_account_does_not_take_over_the_persons_opt_out() -> None:
    before = initial(BY_CONTACT, requested=UNSUBSCRIBED, now=EARLIER)
    assert changed(before, BY_ACCOUNT, requested=UNSUBSCRIBED, reason="x", now=NOW) == before


def test_the_person_takes_over_the_accounts_opt_out() -> None:
    before = initial(BY_ACCOUNT, requested=UNSUBSCRIBED, reason="x", now=EARLIER)
    after = changed(before, BY_CONTACT, requested=UNSUBSCRIBED, now=NOW)
    assert (after.opt_out_source, after.opt_out_at, after.opt_out_reason) == (BY_CONTACT, NOW, None)


@pytest.mark.parametrize("source", SOURCES)
def test_the_same_party_may_say_why_later(source: str) -> None:
    before = initial(source, requested=UNSUBSCRIBED, reason="x", now=EARLIER)
    after = changed(before, source, requested=UNSUBSCRIBED, reason="y", now=NOW)
    assert (after.opt_out_at, after.opt_out_reason) == (EARLIER, "y")
    assert changed(before, source, requested=UNSUBSCRIBED, now=NOW) == before


def test_opting_in_again_by_the_person_is_explicit() -> None:
    before = initial(BY_CONTACT, requested=UNSUBSCRIBED, now=EARLIER)
    for requested in MAILABLE:
        assert changed(before, BY_CONTACT, requested=requested, now=NOW) == EmailConsent(
            EXPLICIT, BY_CONTACT, NOW
        )


def test_opting_in_again_by_the_account_is_what_it_says() -> None:
    before = initial(BY_ACCOUNT, requested=UNSUBSCRIBED, now=EARLIER)
    for requested in MAILABLE:
        assert changed(before, BY_ACCOUNT, requested=requested, now=NOW) == EmailConsent(
            requested, BY_ACCOUNT, NOW
        )


def test_where_a_permission_came_from_is_set_once() -> None:
    before = initial(BY_ACCOUNT, now=EARLIER)
    after = changed(before, BY_CONTACT, requested=EXPLICIT, now=NOW)
    assert after == EmailConsent(EXPLICIT, BY_ACCOUNT, EARLIER)
    late = changed(
        initial(BY_ACCOUNT, requested=NOT_SET, now=EARLIER), BY_CONTACT, requested=EXPLICIT, now=NOW
    )
    assert late == EmailConsent(EXPLICIT, BY_ACCOUNT, NOW)


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_signing_up_makes_explicit(permission: str) -> None:
    before = initial(BY_ACCOUNT, requested=permission, now=EARLIER)
    after = signed_up(before, now=NOW)
    assert after == (before if permission == EXPLICIT else EmailConsent(EXPLICIT, BY_CONTACT, NOW))


events = st.tuples(
    st.sampled_from(SOURCES), st.none() | st.sampled_from(PERMISSIONS), st.none() | st.just("why")
)


@settings(max_examples=300, deadline=None, database=None)
@given(events, st.lists(events | st.just("sign up"), max_size=8))
def test_consent_only_rises_by_the_person(
    first: tuple[str, str | None, str | None], then: list[object]
) -> None:
    source, requested, reason = first
    consent = initial(source, requested=requested, reason=reason, now=NOW)
    holds_together(consent)
    for step, event in enumerate(then, start=1):
        now = NOW + timedelta(days=step)
        before, source = consent, BY_CONTACT
        if isinstance(event, tuple):
            source, requested, reason = event
            try:
                consent = changed(before, source, requested=requested, reason=reason, now=now)
            except Invalid:
                continue
        else:
            consent = signed_up(before, now=now)
        holds_together(consent)
        if before.opt_out_source == BY_CONTACT and source == BY_ACCOUNT:
            assert consent == before
