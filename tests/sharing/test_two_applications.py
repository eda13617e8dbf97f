"""Two applications in one account: what the upstream publishes runs the downstream's node, exactly once."""

from __future__ import annotations

import json

import pytest
from support.cloud import Cloud

from rheo_platforms.deployment import Deployment
from rheo_runtime.events import send_signal
from rheo_runtime.listener import Listener
from rheo_runtime.records import Document
from rheodsl import Application, QueryContext, RemoteApplication
from rheodsl.sharing import SharingError

pytestmark = pytest.mark.slow

ACCOUNT, REGION = "123456789012", "us-east-1"


class Running:
    """A listener of one application, fed by hand from its queue."""

    def __init__(self, cloud: Cloud, deployment: Deployment) -> None:
        self.cloud, self.deployment = cloud, deployment
        self.announced: list[Document] = []
        self.listener = Listener(
            deployment.engine(), self.announced.append, emit=lambda document: None, log=lambda *_, **__: None
        )

    def listen(self, times: int = 1) -> int:
        """Handle all that is in the queue, each message so many times; return how many there were."""
        sqs, count = self.cloud.session.client("sqs"), 0
        while messages := sqs.receive_message(QueueUrl=self.deployment.queue, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                record = {"messageId": message["MessageId"], "body": message["Body"], "attributes": {}}
                for _ in range(times):
                    assert self.listener.handle({"Records": [record]}, lambda: 1e9) == {
                        "batchItemFailures": []
                    }
                sqs.delete_message(QueueUrl=self.deployment.queue, ReceiptHandle=message["ReceiptHandle"])
                count += 1
        return count

    def finish(self, document: Document) -> None:
        """Do what a DAG run does: claim, write the completion object, end well, send the signal."""
        self.cloud.run(self.listener.engine, document, f"run-of-{document['id']}")
        self.cloud.put(document["output"]["path"] + "/_SUCCESS")
        send_signal(document, self.cloud.session.client("events"))


def repository(cloud: Cloud) -> Application:
    app = Application("joe_does_FEATURE_REPO", platform=cloud)  # type: ignore[arg-type]
    raw = app.s3("raw", "s3://lake/raw/{region}/{day:%Y-%m-%d}")
    app.create_data(
        "foo_table",
        [raw],
        compute_targets="output = raw",
        metadata={"feature": ["foo_feature", "bar_feature"]},
    )
    app.authorize_downstream("jane_does_IF", ACCOUNT, REGION)
    return app


def downstream(cloud: Cloud) -> tuple[Application, RemoteApplication]:
    app = Application("jane_does_IF", platform=cloud)  # type: ignore[arg-type]
    return app, app.import_upstream("joe_does_FEATURE_REPO", REGION, ACCOUNT)


def test_the_guides_example(cloud: Cloud) -> None:
    cloud.activate(repository(cloud))
    app, repo_app = downstream(cloud)
    data_nodes = repo_app.search_data("foo_feature")
    data_nodes2 = app.search_data("foo_feature")
    assert len(data_nodes) == len(data_nodes2) == 1
    foo_from_repo = repo_app["foo_table"]
    foo = app["foo_table"]
    assert foo_from_repo == foo
    my_etl = app.create_data(
        "etl_dat_over_foo", inputs=[foo], compute_targets='output = spark.sql("select * from foo_table")'
    )
    assert list(my_etl.dimension_spec()) == ["region"]  # and below it the day
    [node] = app.graph().nodes
    assert node.inputs[0].signal == "foo_table"


def test_what_the_upstream_publishes_runs_the_node_once(cloud: Cloud) -> None:
    up = Running(cloud, cloud.activate(repository(cloud)))
    app, remote = downstream(cloud)
    app.create_data("etl", inputs=[remote["foo_table"]["NA"]], compute_targets="output = foo_table")
    down = Running(cloud, cloud.activate(app))

    cloud.put("s3://lake/raw/NA/2024-05-01/_SUCCESS")
    cloud.put("s3://lake/raw/EU/2024-05-01/_SUCCESS")
    up.listen()
    down.listen()
    assert [d["node"] for d in up.announced] == ["foo_table", "foo_table"]
    assert down.announced == []
    for document in up.announced:
        up.finish(document)
    assert down.listen(times=3) >= 2  # delivered again and again
    for document in up.announced:  # and sent again, as the sweep does when it is not sure
        send_signal(document, cloud.session.client("events"))
    down.listen()
    [document] = {json.dumps(d, sort_keys=True): d for d in down.announced}.values()
    assert (document["app"], document["node"], document["partition"]) == (
        "jane_does_IF",
        "etl",
        "NA/2024-05-01",
    )
    [entry] = document["inputs"]
    assert entry["paths"] == ["s3://rheo-joe-does-feature-repo/internal_data/foo_table/NA/2024-05-01"]
    down.finish(document)
    down.listen()
    assert len({d["id"] for d in down.announced}) == 1


def test_a_window_over_an_upstream_waits_for_what_is_missing(cloud: Cloud) -> None:
    up = Running(cloud, cloud.activate(repository(cloud)))
    app, remote = downstream(cloud)
    window = remote["foo_table"]["NA"][:-2].range_check(True)
    app.create_data("etl", inputs=[window], compute_targets="output = foo_table")
    down = Running(cloud, cloud.activate(app))
    for day in ("2024-05-02", "2024-05-01"):
        assert down.announced == []
        cloud.put(f"s3://lake/raw/NA/{day}/_SUCCESS")
        up.listen()
        up.finish(up.announced[-1])
        down.listen()
    down.listener.engine.tick()
    assert [d["partition"] for d in down.announced] == ["NA/2024-05-02"]


def test_an_import_is_taken_up_by_attach(cloud: Cloud) -> None:
    cloud.activate(repository(cloud))
    app, remote = downstream(cloud)
    app.create_data("etl", inputs=[remote["foo_table"]], compute_targets="output = foo_table")
    cloud.activate(app)
    active = cloud.active_graph("jane_does_IF")
    assert active == app.graph()
    again = Application("jane_does_IF", platform=cloud)  # type: ignore[arg-type]
    again._take(active)
    assert again.graph() == active
    assert [node.id for node in again.list_data(context=QueryContext.DEV_CONTEXT)] == ["etl", "foo_table"]
    again.create_data("more", inputs=[again["foo_table"]], compute_targets="output = foo_table")
    assert [node.id for node in again.graph().nodes] == ["etl", "more"]


def test_account_and_region_in_either_order(cloud: Cloud) -> None:
    cloud.activate(repository(cloud))
    app = Application("jane_does_IF", platform=cloud)  # type: ignore[arg-type]
    first = app.import_upstream("joe_does_FEATURE_REPO", ACCOUNT, REGION)
    second = app.import_upstream("joe_does_FEATURE_REPO", REGION, ACCOUNT)
    assert first is second
    assert (first.account_id, first.region) == (ACCOUNT, REGION)


def test_an_upstream_that_is_not_active_is_told(cloud: Cloud) -> None:
    _, remote = downstream(cloud)
    with pytest.raises(SharingError, match="is not active"):
        remote.list_data()


def test_external_data_and_timers_are_not_shared(cloud: Cloud) -> None:
    cloud.activate(repository(cloud))
    _, remote = downstream(cloud)
    assert [node.id for node in remote.list_data()] == ["foo_table"]
    assert remote.get_timer("daily") == []
