"""Names of countries and states. V3 contract 3.5."""

from __future__ import annotations

import pytest

from everlist.core.places import COUNTRIES, STATES, country_name, state_name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("US", "United States"),
        ("us", "United States"),
        (" ca ", "Canada"),
        ("DE", "Germany"),
        ("CI", "Côte d'Ivoire"),
        ("United States", "United States"),
        ("USA", "USA"),
        ("Atlantis", "Atlantis"),
        ("", ""),
    ],
)
def test_countries(given: str, name: str) -> None:
    assert country_name(given) == name


@pytest.mark.parametrize(
    ("state", "country", "name"),
    [
        ("IL", "United States", "Illinois"),
        ("il", "United States", "Illinois"),
        (" IL ", None, "Illinois"),
        ("IL", None, "Illinois"),
        ("DC", None, "District of Columbia"),
        ("PR", None, "Puerto Rico"),
        ("QC", "Canada", "Quebec"),
        ("QC", None, "QC"),
        ("QC", "United States", "QC"),
        ("IL", "Canada", "IL"),
        ("BY", "Germany", "BY"),
        ("Illinois", "United States", "Illinois"),
        ("", None, ""),
    ],
)
def test_states(state: str, country: str | None, name: str) -> None:
    assert state_name(state, country) == name


def test_the_tables_are_whole() -> None:
    assert len(COUNTRIES) == 249
    assert len(STATES["Canada"]) == 13
    states = STATES["United States"]
    assert len(states) == 50 + 1 + 3 + 5  # the states, DC, the armed forces, the territories
    for table in (COUNTRIES, *STATES.values()):
        assert all(len(code) == 2 and code.isupper() and 3 < len(name) <= 50 for code, name in table.items())
        assert len(set(table.values())) == len(table)
    assert all(country in COUNTRIES.values() for country in STATES)


def test_a_name_is_the_name_of_itself() -> None:
    """Clients send back what they fetched."""
    for name in COUNTRIES.values():
        assert country_name(name) == name
    for country, table in STATES.items():
        assert all(state_name(name, country) == name for name in table.values())
