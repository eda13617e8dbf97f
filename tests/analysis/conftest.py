"""The platform of these tests."""

from support.cloud import cloud as cloud
