"""The tests of Everlist."""

import pytest

# An assertion of a helper shows the values that it compares, as one in a test does.
pytest.register_assert_rewrite(
    "tests.cli", "tests.client", "tests.core", "tests.ext", "tests.mail", "tests.v3", "tests.worker"
)
