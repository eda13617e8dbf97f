"""Release -> a Terraform module: the CloudFormation stack as it is, and each file as an object of S3.

The template needs no second translation: `aws_cloudformation_stack` takes it. The module is in Terraform's JSON
syntax, one file, with what it uploads beside it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from codegen.cloudformation.stack import TAG, dumps
from rheo_platforms.aws.runtime_upload import HOME, bound, support_files
from rheo_platforms.deployment import ACTIVE
from rheo_platforms.lifecycle.place import NAMED
from rheo_platforms.lifecycle.release import Release
from rheo_runtime.wire import resource_name

MAIN = "main.tf.json"
_STACK = "aws_cloudformation_stack.application"
_CODE, _DAGS, _PATH = "code_bucket", "dags_bucket", "dags_path"
# What the module itself gives the template.
_GIVEN = ("CodeBucket", "CodeKey", "PartsPrefix")


def terraform_module(release: Release) -> dict[str, bytes]:
    """Return the files of a module that brings a release out, by their paths. Raises TemplateError.

    Order is that of an activation: listener and templates, the stack, scripts, what DAG files read, DAG files.
    """
    app = release.app
    template, zip_ = dumps(release.template).encode(), release.listener
    parts = {name: dumps(part).encode() for name, part in release.parts.items()}
    runtime = {
        f"{HOME}{release.runtime_id}/{path}": text.encode()
        for path, text in support_files(release.runtime).items()
    }
    named = json.dumps({"runtimes": [release.runtime_id]}).encode()
    read = {
        f"{app}/{path}": text.encode() for path, text in release.files.items() if path not in release.dags
    }
    dags = {f"{app}/{p}": bound(release.files[p], release.runtime_id).encode() for p in release.dags}
    scripts = {f"{ACTIVE}{path}": text.encode() for path, text in release.files.items()}
    prefix = f"{resource_name(app)}/{_digest(template, zip_, *parts.values())}/"
    groups: dict[str, tuple[Mapping[str, bytes], str, str, list[str]]] = {
        "listener": ({"listener.zip": zip_}, f"${{var.{_CODE}}}", prefix, []),
        "template": ({"template.json": template, **parts}, f"${{var.{_CODE}}}", prefix, []),
        "scripts": (scripts, release.plan.bucket, "", [_STACK]),
        "runtime": (
            {**runtime, f"{app}/{NAMED}": named}, f"${{var.{_DAGS}}}", f"${{var.{_PATH}}}/", [_STACK],
        ),
        "read": (read, f"${{var.{_DAGS}}}", f"${{var.{_PATH}}}/", [_STACK, *_objects("scripts", "runtime")]),
        "dags": (dags, f"${{var.{_DAGS}}}", f"${{var.{_PATH}}}/", _objects("scripts", "runtime", "read")),
    }  # fmt: skip
    parameters: dict[str, Any] = release.template["Parameters"]
    main = {
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": ">= 5.0"}}},
        "variable": {**_variables(parameters), **_PLACES},
        "data": {"aws_region": {"here": {}}},
        "resource": {
            "aws_s3_object": {
                name: _uploads(name, files, bucket, before, after)
                for name, (files, bucket, before, after) in groups.items()
                if files
            },
            "aws_cloudformation_stack": {"application": _stack(app, prefix, parameters)},
        },
        "output": {"stack": {"value": f"${{{_STACK}.outputs}}"}},
    }
    found = {MAIN: (json.dumps(main, indent=2, sort_keys=True) + "\n").encode()}
    for name, (files, *_) in groups.items():
        found |= {f"{name}/{path}": content for path, content in files.items()}
    return dict(sorted(found.items()))


def _objects(*names: str) -> list[str]:
    return [f"aws_s3_object.{name}" for name in names]


def _uploads(
    name: str, files: Mapping[str, bytes], bucket: str, prefix: str, after: list[str]
) -> dict[str, Any]:
    return {
        "for_each": {path: _digest(files[path]) for path in sorted(files)},
        "bucket": bucket,
        "key": f"{prefix}${{each.key}}",
        "source": f"${{path.module}}/{name}/${{each.key}}",
        "source_hash": "${each.value}",
        **({"depends_on": after} if after else {}),
    }


def _stack(app: str, prefix: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    given = {"CodeBucket": f"${{var.{_CODE}}}", "CodeKey": f"{prefix}listener.zip", "PartsPrefix": prefix}
    host = f"${{var.{_CODE}}}.s3.${{data.aws_region.here.name}}.amazonaws.com"
    return {
        "name": resource_name(app),
        "template_url": f"https://{host}/{prefix}template.json",
        "capabilities": ["CAPABILITY_NAMED_IAM"],
        "parameters": {
            name: given[name] if name in _GIVEN else f"${{var.{variable(name)}}}"
            for name in sorted(parameters)
        },
        "tags": {TAG: app},
        "depends_on": _objects("listener", "template"),
    }


def variable(parameter: str) -> str:
    """Return the name of the variable that stands for a parameter of the template.

    >>> variable("MwaaEnvironment")
    'mwaa_environment'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", parameter).lower()


def _variables(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        variable(name): {
            "type": "number" if given["Type"] == "Number" else "string",
            **({"description": given["Description"]} if "Description" in given else {}),
            **({"default": given["Default"]} if "Default" in given else {}),
        }
        for name, given in sorted(parameters.items())
        if name not in _GIVEN
    }


_PLACES: dict[str, Any] = {
    _CODE: {
        "type": "string",
        "description": "A bucket that exists, for the listener's zip and the templates.",
    },
    _DAGS: {"type": "string", "description": "The bucket of the MWAA environment's DAG files."},
    _PATH: {"type": "string", "description": "Their folder in it.", "default": "dags"},
}


def _digest(*contents: bytes) -> str:
    return hashlib.sha256(b"".join(_sums(contents))).hexdigest()[:32]


def _sums(contents: Iterable[bytes]) -> Iterable[bytes]:
    return (hashlib.sha256(content).digest() for content in contents)
