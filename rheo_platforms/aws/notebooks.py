"""Rheo itself, as it is installed here -> a bundle in the application's bucket, and a notebook that has it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from importlib.metadata import requires
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from codegen.cloudformation.listener import zipped
from rheo_platforms.aws.place import AwsPlace
from rheo_platforms.lifecycle.errors import DeployError, InactiveError
from rheo_runtime.wire import resource_name

KEY = "Bundle/bundle.zip"
_PACKAGES = ("rheodsl", "rheo_runtime", "rheo_airflow", "codegen", "rheo_platforms")
_SECONDS = 10.0
_INSTANCE = {"InstanceType": "ml.t3.medium", "VolumeSizeInGB": 20}
# It must not take five minutes, so that packages are installed behind its back.
_START = """\
#!/bin/bash
set -e
sudo -u ec2-user -i <<'END'
mkdir -p ~/SageMaker/rheo ~/.ipython/profile_default/startup
aws s3 cp s3://{bucket}/{key} /tmp/rheo.zip
rm -rf ~/SageMaker/rheo/bundle
unzip -q /tmp/rheo.zip -d ~/SageMaker/rheo/bundle
echo "import sys; sys.path.insert(0, '/home/ec2-user/SageMaker/rheo/bundle')" > ~/.ipython/profile_default/startup/rheo.py
nohup bash -c 'source activate python3; pip install -q -r ~/SageMaker/rheo/bundle/requirements.txt' > ~/rheo.log 2>&1 &
END
"""


def bundle() -> bytes:
    """Return Rheo as a zip, with the requirements of the language: the same bytes for the same code."""
    root = Path(__file__).parents[2]
    files = [f for name in _PACKAGES for f in sorted((root / name).rglob("*"))]
    texts = {f.relative_to(root).as_posix(): f.read_bytes() for f in files if _counts(f)}
    texts["requirements.txt"] = "".join(f"{each}\n" for each in _requirements()).encode()
    return zipped(texts)


def _counts(file: Path) -> bool:
    return file.is_file() and "__pycache__" not in file.parts


def _requirements() -> list[str]:
    """What Rheo needs to declare and activate applications; extras are for tests and the local stack."""
    return [each for each in requires("rheodsl") or () if "extra ==" not in each]


def sync(place: AwsPlace) -> str:
    """Put the bundle into an application's bucket, and return its address.

    Raises InactiveError while there is no bucket.
    """
    if not place.reachable():
        raise InactiveError(
            f"{place.app} has no bucket yet",
            hint="activate it, or save_dev_state(), before the bundle goes there",
        )
    place.session.client("s3").put_object(Bucket=place.bucket, Key=KEY, Body=bundle())
    return f"s3://{place.bucket}/{KEY}"


def provision(
    place: AwsPlace, arguments: Mapping[str, Any], sleep: Callable[[float], None] = time.sleep
) -> str:
    """Let an application have a SageMaker notebook with the bundle, started, and return a link to it.

    Parameters
    ----------
    arguments
        Of SageMaker's CreateNotebookInstance, ``RoleArn`` among them.

    Raises DeployError when the notebook does not start, or ``RoleArn`` is missing.
    """
    if "RoleArn" not in arguments:
        raise DeployError(
            "a notebook needs a role",
            hint="name one that may deploy (docs/deploy.md): {'RoleArn': 'arn:...'}",
        )
    sync(place)
    client, name = place.session.client("sagemaker"), resource_name(place.app)
    script = _START.format(bucket=place.bucket, key=KEY)
    hook = [{"Content": base64.b64encode(script.encode()).decode()}]
    status = _status(client, name)
    if status is None:
        client.create_notebook_instance_lifecycle_config(
            NotebookInstanceLifecycleConfigName=name, OnStart=hook
        )
        client.create_notebook_instance(
            **{**_INSTANCE, **arguments}, NotebookInstanceName=name, LifecycleConfigName=name
        )
    elif status == "Stopped":
        client.start_notebook_instance(NotebookInstanceName=name)
    while (status := _status(client, name)) != "InService":
        if status in ("Failed", "Deleting", None):
            raise DeployError(f"the notebook {name} is {status}", hint="look at it in SageMaker")
        sleep(_SECONDS)
    url: str = client.create_presigned_notebook_instance_url(NotebookInstanceName=name)["AuthorizedUrl"]
    return url


def _status(client: Any, name: str) -> str | None:
    try:
        found: str = client.describe_notebook_instance(NotebookInstanceName=name)["NotebookInstanceStatus"]
    except ClientError as fault:
        error = fault.response["Error"]
        # SageMaker's own words for a notebook that is not there (Terraform's AWS provider looks for the same).
        if error["Code"] == "ValidationException" and "RecordNotFound" in error["Message"]:
            return None
        raise
    return found
