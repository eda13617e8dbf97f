"""An application in a pretended account of AWS: activated, changed, looked at, ended."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rheo_platforms.lifecycle.errors import AccountError, LockedError
from rheodsl import Application
from rheodsl.errors import GraphError, StateError
from rheodsl.lifecycle import ApplicationState as S

from .world import DAGS, World

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Tried to parse")]


def everything(world: World) -> dict[str, Any]:
    """All objects of all buckets."""
    return {bucket: world.objects(bucket) for bucket in world.buckets()}


def test_activating_brings_out_files_and_infrastructure(world: World) -> None:
    app = world.app()
    assert app.state is S.INITIALIZED
    app.activate()
    assert app.state is S.ACTIVE
    found = world.objects(DAGS, "dags/shop/")
    assert {"dags/shop/daily.py", "dags/shop/routes.json", "dags/shop/.airflowignore"} <= found.keys()
    [runtime] = json.loads(world.text(DAGS, "dags/shop/runtime.json"))["runtimes"]
    assert f"dags/_rheo/{runtime}/rheo_airflow/tasks/claim.py" in world.objects(DAGS)
    assert {"rheo/glue/daily.py", "rheo/graph.json", "rheo/MANIFEST.json"} <= world.objects(
        world.bucket()
    ).keys()
    assert [route["node"] for route in world.listener()["routes"]] == ["daily"]
    deployment = world.platform().deployment("shop")
    assert (deployment.bucket, deployment.environment) == (world.bucket(), "prod")
    assert deployment.file("routes.json") == world.text(DAGS, "dags/shop/routes.json")
    assert [n.id for n in (world.platform().active_graph("shop") or app.graph()).nodes] == ["daily"]


def test_what_the_dags_are_is_what_the_platform_compiles(world: World) -> None:
    app = world.app()
    app.activate(allow_concurrent_executions=False)
    assert "max_active_runs=1" in world.text(DAGS, "dags/shop/daily.py")
    assert f"s3://{world.bucket()}/internal_data/daily" in world.text(DAGS, "dags/shop/daily.py")


def test_activating_again_changes_nothing(world: World) -> None:
    world.app().activate()
    before = everything(world)
    world.calls.reset()
    app = world.app()
    assert app.plan().empty
    assert str(app.plan()) == "shop is ACTIVE; nothing would change"
    app.activate()
    assert everything(world) == before
    kinds = {name.partition(".")[0] for name in world.calls.changes}
    free = {"s3.put_object", "s3.delete_object", "mwaa.invoke_rest_api"}  # the lock; which DAGs are paused
    assert set(world.calls.changes) - free == {
        "cloudformation.create_change_set",
        "cloudformation.delete_change_set",
    }
    assert kinds == {"s3", "cloudformation", "mwaa"}


def test_a_plan_of_a_new_application_is_all_additions(world: World) -> None:
    plan = world.app().plan()
    assert not plan.empty
    data = plan.to_json()
    assert (data["state"], [n["action"] for n in data["nodes"]]) == ("INITIALIZED", ["added"])
    assert [s["name"] for s in data["signals"]] == ["orders", "ships"]
    assert any("glue:StartJobRun" in line for line in data["permissions"])
    assert "+ Lambda::Function Listener" in str(plan)
    json.dumps(data)
    assert world.calls.changes == [], "nothing is made"


def test_a_plan_tells_what_a_change_does(world: World) -> None:
    world.app("shop", "old").activate()
    app = world.app("shop", "new")
    app.patch_data("daily", compute_targets="output = orders.limit(1)", retrigger="any")
    world.calls.reset()
    plan = app.plan()
    assert world.calls.changes == []
    nodes = {n["name"]: n for n in plan.to_json()["nodes"]}  # type: ignore[index]
    assert {name: n["action"] for name, n in nodes.items()} == {
        "daily": "changed",
        "new": "added",
        "old": "removed",
    }
    assert set(nodes["daily"]["what"]) == {"computes", "options"}
    text = str(plan)
    assert "+ Glue::Job" in text and "- Glue::Job" in text
    assert "~ Lambda::Function Listener: routes or code" in text
    assert "orders.limit(1)" in text
    assert "= daily: what waits is kept (0 waiting)" in text
    app.activate()
    assert app.plan().empty
    assert "dags/shop/old.py" not in world.objects(DAGS)
    assert "rheo/glue/old.py" not in world.objects(world.bucket())
    assert [route["node"] for route in world.listener()["routes"]] == ["daily", "new"]


def test_a_plan_tells_whether_what_waits_is_kept(world: World) -> None:
    world.app().activate()
    engine = world.platform().deployment("shop").engine()
    engine.on_named("shop", "orders", ("2020-01-01",), "one")
    kept = world.app()
    kept.patch_data("daily", compute_targets="output = ships")
    assert "= daily: what waits is kept (1 waiting)" in str(kept.plan())
    lost = world.new()
    orders = lost.s3("orders", "s3://shop-orders/orders/{day:%Y-%m-%d}")
    ships = lost.s3("ships", "s3://shop-orders/ships/{day:%Y-%m-%d}")
    lost.create_data(
        "daily",
        inputs=[orders, ships],
        input_dim_links=[orders.day - 1 == ships.day],
        compute_targets="output = orders",
    )
    assert "! daily: what waits is lost (1 waiting): " in str(lost.plan())
    assert "! daily: what waits is lost (1 waiting): the node is removed" in str(world.new().plan())
    assert [w.node for w in engine.pending("daily")] == ["daily"], "a plan changes nothing"


def test_two_applications_share_an_environment(world: World) -> None:
    world.app("one").activate()
    world.app("two").activate()
    world.app("one").terminate()
    there = world.objects(DAGS)
    assert any(key.endswith("/rheo_airflow/tasks/claim.py") for key in there), "the other one needs it"
    assert not any(key.startswith("dags/one/") for key in there)
    world.app("two").terminate()
    assert world.objects(DAGS) == {}


def test_attach_takes_up_what_is_active_and_adds_to_it(world: World) -> None:
    world.app().activate()
    other = world.new()
    other.attach()
    other.create_data("more", inputs=[other["daily"]], compute_targets="output = daily")
    assert [(c.action, c.name) for c in other.plan().nodes] == [("added", "more")]  # type: ignore[attr-defined]
    other.activate()
    assert [route["node"] for route in world.listener()["routes"]] == ["daily", "more"]
    with pytest.raises(GraphError, match="taken"):
        other.attach()
        other.graph()


def test_attaching_to_nothing_is_an_error(world: World) -> None:
    with pytest.raises(StateError, match="nothing to attach to: shop is INITIALIZED"):
        world.new().attach()


def schedules(world: World) -> Any:
    """The sweep, which moto does not make by a template."""
    scheduler = world.session.real("scheduler")
    scheduler.create_schedule_group(Name="rheo-shop")
    scheduler.create_schedule(
        GroupName="rheo-shop", Name="sweep", ScheduleExpression="rate(1 minute)",
        FlexibleTimeWindow={"Mode": "OFF"}, Target={"Arn": "arn:aws:lambda:x:1:function:f", "RoleArn": "arn:aws:iam::1:role/r"},
    )  # fmt: skip
    return lambda: scheduler.get_schedule(GroupName="rheo-shop", Name="sweep")["State"]


def trigger(world: World) -> str:
    """The state of both triggers of the listener: of its queue, and of what it gathers."""
    found = world.session.real("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert len(found) == 2
    [state] = {str(each["State"]) for each in found}
    return state


def test_a_paused_application_starts_nothing_until_it_is_resumed(world: World) -> None:
    app = world.app()
    app.add_timer("often", "rate(1 hour)", time_dimension_id="hour")
    app.create_data("hourly", inputs=[app["often"]], compute_targets="output = spark.range(1)")
    with pytest.raises(StateError, match="nothing to pause: shop is INITIALIZED"):
        app.pause()
    app.activate()
    sweep = schedules(world)
    world.mwaa.paused = {"shop__daily": False, "shop__hourly": False}
    app.pause()
    assert (app.state, trigger(world), sweep()) == (S.PAUSED, "Disabled", "DISABLED")
    assert world.mwaa.paused == {"shop__daily": False, "shop__hourly": True}, "only what the clock starts"
    app.pause()
    app.resume()
    assert (app.state, trigger(world), sweep()) == (S.ACTIVE, "Enabled", "ENABLED")
    assert world.mwaa.paused == {"shop__daily": False, "shop__hourly": False}
    app.pause()
    app.activate()
    assert (app.state, trigger(world), sweep()) == (S.ACTIVE, "Enabled", "ENABLED"), "activating goes on"


def test_terminate_keeps_data_and_delete_leaves_no_trace(world: World) -> None:
    app = world.app()
    app.activate()
    schedules(world)
    world.s3.put_object(Bucket=world.bucket(), Key="internal_data/daily/2020-01-01/part", Body=b"data")
    with pytest.raises(StateError, match="shop is ACTIVE: its data is in use"):
        app.delete()
    app.terminate(wait_for_active_routes=True)
    app.terminate()
    assert app.state is S.TERMINATED
    assert world.objects(DAGS) == {}
    kept = ("rheo-state/listener/", "rheo-state/releases/")
    assert {key for key in world.objects(world.bucket()) if not key.startswith(kept)} == {
        "internal_data/daily/2020-01-01/part", "rheo-state/record.json", "rheo-state/dags.json",
    }  # fmt: skip
    assert world.session.real("dynamodb").list_tables()["TableNames"] == ["rheo-shop"]
    with pytest.raises(StateError):
        world.platform().deployment("shop")
    app.activate()
    assert app.state is S.ACTIVE, "the same object, with the data that was left"
    assert "internal_data/daily/2020-01-01/part" in world.objects(world.bucket())
    app.terminate()
    app.delete()
    assert world.buckets() == [DAGS]
    assert world.session.real("dynamodb").list_tables()["TableNames"] == []
    assert (
        world.session.real("cloudformation").list_stacks(
            StackStatusFilter=["CREATE_COMPLETE", "UPDATE_COMPLETE"]
        )["StackSummaries"]
        == []
    )
    with pytest.raises(StateError, match="shop was deleted"):
        app.activate()
    assert world.app().state is S.INITIALIZED


def test_waiting_for_executions_that_run(world: World) -> None:
    from rheo_platforms.lifecycle.activation import Lifecycle
    from rheo_runtime import executions

    app = world.app()
    app.activate()
    schedules(world)
    deployment = world.platform().deployment("shop")
    engine = deployment.engine()
    for signal in ("orders", "ships"):
        fired = engine.on_named("shop", signal, ("2020-01-01",), signal).fired
    [document] = fired
    executions.claim(deployment.ledger, "daily", "2020-01-01", document["id"], "run", engine.now())
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        assert world.platform().lifecycle("shop").state() is S.ACTIVE
        slept.append(seconds)
        if len(slept) == 2:
            engine.complete(document, True)

    Lifecycle(world.platform().place("shop"), sleep=sleep).terminate(wait=True)
    assert len(slept) == 2
    assert app.state is S.TERMINATED


def test_deleting_what_was_never_activated(world: World) -> None:
    app = world.app()
    app.save_dev_state()
    assert app.state is S.INITIALIZED
    app.delete()
    assert world.buckets() == [DAGS]
    world.app("never").delete()


def test_a_draft_goes_to_another_machine(world: World) -> None:
    with pytest.raises(StateError, match="no state of shop was saved"):
        world.new().load_dev_state()
    app = world.app()
    app.save_dev_state()
    other = world.new()
    other.load_dev_state()
    assert other.plan().to_json() == app.plan().to_json()
    assert other.state is S.INITIALIZED
    other.activate()
    assert app.plan().empty


def test_the_second_of_two_is_told_who_is_at_it(world: World) -> None:
    from rheo_platforms.lifecycle.record import Lock

    world.app().activate()
    lock = Lock(world.s3, world.bucket(), "rheo-state/lock.json", "jane@laptop", now=lambda: 4e9)
    with lock.held("activate"):
        with pytest.raises(
            LockedError, match=r"jane@laptop is at it: activate, since 2096-10-02 07:06:40 UTC"
        ):
            world.app("shop", "more").activate()
        with pytest.raises(LockedError, match="jane"):
            world.app().terminate()
        assert world.app().state is S.ACTIVE
    world.app("shop", "more").activate()


def test_a_lock_that_was_left_behind_expires(world: World) -> None:
    from rheo_platforms.lifecycle.record import SECONDS, Lock

    world.app().activate()
    now = [1000.0]
    one, two = (Lock(world.s3, world.bucket(), "lock", name, now=lambda: now[0]) for name in ("one", "two"))
    one._take("activate")
    now[0] += SECONDS - 1
    with pytest.raises(LockedError, match="one is at it"), two.held("activate"):
        pass
    one.renew()
    now[0] += 2
    with pytest.raises(LockedError, match="one is at it"), two.held("activate"):
        pass
    now[0] += SECONDS
    with two.held("activate"):
        with pytest.raises(LockedError, match="the lock was lost"):
            one.renew()
        one.release()
        two.renew()
    assert "lock" not in world.objects(world.bucket())


def test_the_account_must_be_the_one_that_is_meant(world: World) -> None:
    platform = world.platform(account_id="111222333444")
    with pytest.raises(AccountError, match="of account 123456789012, not of 111222333444"):
        Application("shop", platform=platform).activate()
    assert world.calls.changes == []


@pytest.mark.parametrize(
    ("there", "meant", "message"),
    [
        ((), None, "has 0 MWAA environments"),
        (("a", "b"), None, "has 2 MWAA environments"),
        (("a",), "prod", "has no MWAA environment 'prod'"),
    ],
)
def test_the_environment_must_be_known(
    world: World, there: tuple[str, ...], meant: str | None, message: str
) -> None:
    world.mwaa.environments = there
    app = Application("shop", platform=world.platform(mwaa_environment=meant))
    with pytest.raises(AccountError, match=message):
        app.activate()


def test_names_of_buckets_are_short_enough_and_differ(world: World) -> None:
    account = world.platform().account
    long = [account.bucket("a" * 39 + end) for end in "xy"]
    assert all(len(name) <= 63 for name in long)
    assert len(set(long)) == 2


def test_an_older_version_does_not_replace_the_run_time_of_a_newer_one(world: World) -> None:
    """That of DAG files which import from the folder of DAGs itself; all others have their own."""
    mark = json.dumps({"version": "99.1.0", "digest": ""})
    world.s3.put_object(Bucket=DAGS, Key="dags/rheo_runtime/rheo.json", Body=mark.encode())
    world.s3.put_object(Bucket=DAGS, Key="dags/before/daily.py", Body=b"import rheo_runtime")
    world.app().activate()
    assert world.app().state is S.ACTIVE
    assert json.loads(world.text(DAGS, "dags/rheo_runtime/rheo.json"))["version"] == "99.1.0"
    assert "dags/rheo_runtime/engine.py" not in world.objects(DAGS)


def test_what_waits_and_lacks_nothing_any_more_is_ready_after_an_activation(world: World) -> None:
    def declared(*regions: str, grain: str = "region") -> Application:
        app = world.new()
        orders = app.s3("orders", "s3://shop-orders/orders/{region}/{day:%Y-%m-%d}")
        view = orders.rollup(region=list(regions)) if grain == "region" else orders["NA"].rollup(day="month")
        app.create_data("daily", inputs=[view], compute_targets="output = orders")
        return app

    declared("NA", "EU", "FE").activate()
    engine = world.platform().deployment("shop").engine()
    for region in ("NA", "EU"):
        assert not engine.on_named("shop", "orders", (region, "2024-01-01"), region).fired
    engine.on_named("shop", "orders", ("NA", "2024-01-02"), "two")
    fewer = declared("NA", "EU")
    assert "= daily: what waits is kept (2 waiting)" in str(fewer.plan())
    fewer.activate()
    assert [(o.partition, o.active and o.active.state) for o in engine.ledger.outputs("daily")] == [
        ("2024-01-01", "READY")
    ]
    assert "! daily: what waits is lost (1 waiting): orders is rolled up otherwise" in str(
        declared(grain="month").plan()
    )
