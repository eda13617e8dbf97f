"""What was changed by hand since the release -> said by a plan, and taken back by an activation that refreshes."""

from __future__ import annotations

import pytest

from rheo_platforms.aws.cloudformation import Stack
from rheo_platforms.lifecycle.drift import drifted
from rheo_platforms.lifecycle.stores import FolderStore
from tests.lifecycle.world import DAGS, World

from .test_releases import runs

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")


def test_files_are_changed_removed_and_added(tmp_path: object) -> None:
    store = FolderStore(tmp_path)  # type: ignore[arg-type]
    store.write({"a.py": "a", "b.py": "b", "sub/c.json": "c"})
    assert list(drifted(store, {"a.py": "a", "b.py": "b", "sub/c.json": "c"}, "folder")) == []
    found = drifted(store, {"a.py": "A", "b.py": "b", "d.py": "d"}, "folder")
    assert list(map(str, found)) == ["~ folder a.py", "- folder d.py", "+ folder sub/c.json"]


@pytest.mark.slow
def test_a_plan_says_what_was_changed_by_hand_and_a_refresh_takes_it_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.app().activate()
    before = runs(world)
    assert world.app().plan().to_json()["drift"] == ()
    bucket = world.bucket()
    world.s3.put_object(Bucket=DAGS, Key="dags/shop/daily.py", Body=b"# mended in a hurry")
    world.s3.put_object(Bucket=DAGS, Key="dags/shop/extra.py", Body=b"")
    world.s3.delete_object(Bucket=bucket, Key="rheo/glue/daily.py")
    template = world.platform().place("shop").stack.template()
    [job] = [id for id, made in template["Resources"].items() if made["Type"] == "AWS::Glue::Job"]
    template["Resources"][job]["Properties"]["MaxRetries"] = 7
    with_template = Stack.template
    monkeypatch.setattr(Stack, "template", lambda self: template)  # moto cannot update by what it has
    world.session.drifts += [
        {
            "LogicalResourceId": "JobDaily", "ResourceType": "AWS::Glue::Job",
            "StackResourceDriftStatus": "MODIFIED",
            "PropertyDifferences": [{"PropertyPath": "/NumberOfWorkers"}],
        },
        {
            "LogicalResourceId": "Sweep", "ResourceType": "AWS::Scheduler::Schedule",
            "StackResourceDriftStatus": "DELETED",
        },
    ]  # fmt: skip
    found = world.app().plan()
    assert found.to_json()["empty"] is False, "the template would be as declared again"
    text = str(found).partition("\n\n")[2].partition("\n\n")[0]
    assert text.splitlines() == [
        "changed by hand since the release (rheo activate --refresh takes it back)",
        f"  ~ Glue::Job {job}: MaxRetries",
        "  ~ Glue::Job JobDaily: NumberOfWorkers",
        "  - Scheduler::Schedule Sweep",
        "  - bucket glue/daily.py",
        "  ~ DAG folder daily.py",
        "  + DAG folder extra.py",
    ]
    asked: list[object] = []
    create = world.session.client

    def client_of(service: str, **given: object) -> object:
        made = create(service, **given)
        if service == "cloudformation":
            real = made._real

            class Watching:
                def __getattr__(self, name: str) -> object:
                    found = getattr(real, name)
                    if name != "create_change_set":
                        return found
                    return lambda **k: (asked.append(k.get("DeploymentMode")), found(**k))[1]

            made._real = Watching()
        return made

    world.session.client = client_of  # type: ignore[method-assign]
    world.app().activate(refresh=True)
    assert asked == ["REVERT_DRIFT"], "CloudFormation takes back what it found"
    world.session.drifts.clear()
    monkeypatch.setattr(Stack, "template", with_template)
    assert runs(world) == before
    assert world.app().plan().to_json()["drift"] == ()
    assert str(world.app().plan()) == "shop is ACTIVE; nothing would change"
