"""What CloudFormation does and moto does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from moto.cloudformation import models, parsing
from moto.cloudformation.models import CloudFormationBackend
from moto.dynamodb.models import Table, dynamodb_backends
from moto.s3.models import FakeBucket, s3_backends

_YAML = {name: getattr(models.yaml, name) for name in ("Loader", "add_multi_constructor")}


def close(patch: Callable[..., None]) -> None:
    """Let moto do it, by ``patch(object, name, value)``."""
    _take_up(patch, FakeBucket, lambda account, region: s3_backends[account]["aws"].buckets)
    _take_up(patch, Table, lambda account, region: dynamodb_backends[account][region].tables)
    # Our templates are JSON: read as YAML, as moto does, each costs half a second.
    patch(models, "yaml", SimpleNamespace(load=lambda text, Loader: json.loads(text or "{}"), **_YAML))
    clean = parsing.clean_json

    def clean_json(value: Any, resources: Any) -> Any:
        """AWS::NoValue in a list is no entry at all."""
        found = clean(value, resources)
        return [each for each in found if each is not None] if isinstance(found, list) else found

    patch(parsing, "clean_json", clean_json)
    execute = CloudFormationBackend.execute_change_set

    def execute_change_set(self: Any, change_set_name: str, stack_name: str | None = None) -> None:
        """A stack has the parameters and outputs of its last change set."""
        execute(self, change_set_name, stack_name)
        [change] = [c for c in self.change_sets.values() if c.change_set_name == change_set_name]
        stack = self.stacks[change.stack_id]
        stack.parameters = change.parameters
        stack._parse_template()
        stack.output_map = stack._create_output_map()

    patch(CloudFormationBackend, "execute_change_set", execute_change_set)


def _take_up(patch: Callable[..., None], kind: Any, there: Callable[[str, str], Any]) -> None:
    """ImportExistingResources: a bucket or table of the same name becomes the stack's."""
    make = kind.create_from_cloudformation_json.__func__

    def create(cls: Any, name: str, template: Any, account: str, region: str, **given: Any) -> Any:
        found = there(account, region).get(name)
        return found if found is not None else make(cls, name, template, account, region, **given)

    patch(kind, "create_from_cloudformation_json", classmethod(create))
