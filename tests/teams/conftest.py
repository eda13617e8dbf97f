"""The pretended account of the lifecycle's tests."""

from tests.lifecycle.conftest import world as world
