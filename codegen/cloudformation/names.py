"""Names and ARNs of an application's resources, and what CloudFormation puts in for them."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from rheo_runtime.wire import resource_name
from rheodsl.errors import RheoError

Value = str | dict[str, Any]
Resource = dict[str, Any]
Resources = dict[str, Resource]
Statement = dict[str, Any]

HAS_AIRFLOW_ROLE = "HasAirflowRole"
NO_VALUE: Value = {"Ref": "AWS::NoValue"}
# The longest name of a region, and IAM's limit to a role's name.
_REGION, _ROLE = 15, 64
_TAKEN = re.compile(r"\$\{(?!AWS::)")


def ref(name: str) -> Value:
    """Return the value of a parameter or resource."""
    return {"Ref": name}


def attribute(name: str, attribute: str = "Arn") -> Value:
    """Return an attribute of a resource, its ARN when left out."""
    return {"Fn::GetAtt": [name, attribute]}


def sub(text: str) -> Value:
    """Return a text in which ``${AWS::Region}`` and the like are filled in; any other ``${`` stays.

    >>> sub("plain"), sub("arn:${AWS::Partition}:s3:::b/${aws:username}")
    ('plain', {'Fn::Sub': 'arn:${AWS::Partition}:s3:::b/${!aws:username}'})
    """
    return {"Fn::Sub": _TAKEN.sub("${!", text)} if "${AWS::" in text else text


def arn(service: str, resource: str) -> Value:
    """Return an ARN in the stack's own account and region."""
    return sub(f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}")


def s3_arn(path: str) -> Value:
    """Return the ARN of a bucket, or of objects of one: ``bucket/prefix/*``."""
    return sub(f"arn:${{AWS::Partition}}:s3:::{path}")


def role_path(app: str) -> str:
    """Return the IAM path of an application's roles, by which another account may know them.

    >>> role_path("shop")
    '/rheo/shop/'
    """
    return f"/rheo/{app}/"


def role_name(app: str, purpose: str) -> str:
    """Return the name of one of an application's roles; ``${AWS::Region}`` stands for the region.

    An application may live in several regions of an account, and role names are the account's.

    >>> role_name("shop", "glue")
    'rheo-shop-glue-${AWS::Region}'
    """
    name = resource_name(app)
    room = _ROLE - _REGION - len(purpose) - 2
    if len(name) > room:
        name = f"{name[: room - 7]}-{hashlib.sha256(app.encode()).hexdigest()[:6]}"
    return f"{name}-{purpose}-${{AWS::Region}}"


def shortened(name: str, longest: int) -> str:
    """Return a name that is no longer than a service takes, and another one for each name.

    >>> shortened("daily", 64), len(shortened("d" * 90, 64))
    ('daily', 64)
    """
    if len(name) <= longest:
        return name
    return f"{name[: longest - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


class TemplateError(RheoError):
    """CloudFormation or IAM has no room for an application."""

    code = "RD240"
