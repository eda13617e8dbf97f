"""The platform of these tests."""

from deployed import cloud as cloud
