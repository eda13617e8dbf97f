"""Rheo as a bundle, and a notebook that has it."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rheo_platforms.aws import notebooks
from rheo_platforms.lifecycle.errors import DeployError
from rheodsl import AWSApplication
from rheodsl.errors import StateError

from .world import REGION, World

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Tried to parse")]


class SageMaker:
    """SageMaker, as far as notebooks go: an instance starts at the second look."""

    def __init__(self, status: str | None = None) -> None:
        self.status, self.called, self.given = status, list[str](), dict[str, Any]()

    def describe_notebook_instance(self, NotebookInstanceName: str) -> Any:
        if self.status is None:
            error = {"Code": "ValidationException", "Message": "RecordNotFound"}
            raise ClientError({"Error": error}, "DescribeNotebookInstance")
        found, self.status = self.status, "InService" if self.status == "Pending" else self.status
        return {"NotebookInstanceStatus": found}

    def create_presigned_notebook_instance_url(self, NotebookInstanceName: str) -> Any:
        return {"AuthorizedUrl": f"https://{NotebookInstanceName}"}

    def __getattr__(self, name: str) -> Any:
        def call(**given: Any) -> None:
            self.called.append(name)
            self.given |= given
            if name in ("create_notebook_instance", "start_notebook_instance"):
                self.status = "Pending"

        return call


def test_the_bundle_is_all_that_a_notebook_needs(tmp_path: Path) -> None:
    data = notebooks.bundle()
    assert data == notebooks.bundle()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(tmp_path)
    code = (
        "from rheodsl import *\n"
        "app = AWSApplication('shop', 'eu-west-1')\n"
        "a = app.s3('a', 's3://lake/a/{day:%Y-%m-%d}')\n"
        "app.create_data('n', inputs=[a], compute_targets='output = a')\n"
        "print(len(app.graph().nodes), __import__('rheodsl').__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == f"1 {tmp_path / 'rheodsl' / '__init__.py'}\n"
    wanted = (tmp_path / "requirements.txt").read_text()
    assert "lark" in wanted and "airflow" not in wanted


def test_the_bundle_goes_to_the_bucket(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from rheo_platforms.aws import account

    monkeypatch.setattr(account.Credentials, "session", lambda self, region: world.session)
    app: Any = AWSApplication("shop", REGION)
    with pytest.raises(StateError, match="shop has no bucket yet"):
        app.platform.sync_bundle()
    world.app().save_dev_state()
    assert app.platform.sync_bundle() == f"s3://{world.bucket()}/Bundle/bundle.zip"
    assert "Bundle/bundle.zip" in world.objects(world.bucket())
    with pytest.raises(DeployError, match="needs a role"):
        app.provision_remote_dev_env({})


@pytest.mark.parametrize(
    ("status", "calls"),
    [
        (None, ["create_notebook_instance_lifecycle_config", "create_notebook_instance"]),
        ("Stopped", ["start_notebook_instance"]),
        ("InService", []),
    ],
)
def test_a_notebook_is_made_or_started(
    world: World, monkeypatch: pytest.MonkeyPatch, status: str | None, calls: list[str]
) -> None:
    world.app().save_dev_state()
    sagemaker = SageMaker(status)
    place = world.platform().place("shop")
    real = world.session.client
    monkeypatch.setattr(
        world.session, "client", lambda name, **g: sagemaker if name == "sagemaker" else real(name, **g)
    )
    slept: list[float] = []
    found = notebooks.provision(place, {"RoleArn": "arn:role", "InstanceType": "ml.m5.large"}, slept.append)
    assert (found, sagemaker.called) == ("https://rheo-shop", calls)
    if status is None:
        assert sagemaker.given["InstanceType"] == "ml.m5.large"
        script = base64.b64decode(sagemaker.given["OnStart"][0]["Content"]).decode()
        assert f"s3://{world.bucket()}/Bundle/bundle.zip" in script
        assert len(slept) == 1


def test_a_notebook_that_fails_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.app().save_dev_state()
    place, real = world.platform().place("shop"), world.session.client
    monkeypatch.setattr(
        world.session,
        "client",
        lambda name, **g: SageMaker("Failed") if name == "sagemaker" else real(name, **g),
    )
    with pytest.raises(DeployError, match="the notebook rheo-shop is Failed"):
        notebooks.provision(place, {"RoleArn": "arn:role"})
