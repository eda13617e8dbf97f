"""Queries of Athena on this machine: the same tables and statements as on AWS, run by DuckDB."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from moto import mock_aws

from rheo_airflow.tasks.athena_tables import statement, table_input
from rheo_platforms.local.athena import Athena
from rheo_platforms.local.http import HttpRequest

pytestmark = pytest.mark.slow

COLUMNS = [["item", "string"], ["price", "double"], ["tags", "array<string>"]]
CSV = {"columns": COLUMNS[:2], "format": "CSV", "header": True, "delimiter": "|"}
JSON = {"columns": COLUMNS, "format": "JSON", "header": True, "delimiter": ","}


class Lab:
    """The service, and a catalog and a bucket that moto keeps."""

    def __init__(self, folder: Path) -> None:
        self.s3, self.glue = boto3.client("s3"), boto3.client("glue")
        self.athena = Athena(folder, self.s3, self.glue)
        self.source = 'SELECT * FROM "db"."sales"'
        self.s3.create_bucket(Bucket="lake")
        self.glue.create_database(DatabaseInput={"Name": "db"})

    def call(self, action: str, **content: Any) -> Any:
        request = HttpRequest(
            "POST", "/", {"x-amz-target": f"AmazonAthena.{action}"}, json.dumps(content).encode()
        )
        reply = self.athena.answer(request)
        assert reply is not None
        return json.loads(reply.body)

    def table(self, name: str, how: dict[str, Any], partitions: list[str]) -> None:
        definition = table_input(name, how, partitions[0])
        price = "CAST(price AS DOUBLE) AS price" if how["format"] == "CSV" else "price"  # a table of texts
        if how is not JSON:
            self.source = f'SELECT item, {price}, rheo_partition FROM "db"."sales"'
        self.glue.create_table(DatabaseName="db", TableInput=definition)
        for number, place in enumerate(partitions):
            storage = {**definition["StorageDescriptor"], "Location": f"{place}/"}
            self.glue.create_partition(
                DatabaseName="db",
                TableName=name,
                PartitionInput={"Values": [str(number)], "StorageDescriptor": storage},
            )

    def put(self, key: str, text: str) -> None:
        self.s3.put_object(Bucket="lake", Key=key, Body=text.encode())

    def run(self, query: str, target: str = "s3://lake/out/", token: str | None = None, **result: str) -> Any:
        tables = {"sales": self.source}
        text = statement(query, tables, target, result or {"format": "JSON"})
        token = token or f"{time.monotonic():040}"
        id = self.call("StartQueryExecution", QueryString=text, ClientRequestToken=token)["QueryExecutionId"]
        for _ in range(200):
            found = self.call("GetQueryExecution", QueryExecutionId=id)["QueryExecution"]
            if found["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return found
            time.sleep(0.05)
        raise AssertionError(found)

    def output(self) -> list[bytes]:
        found = self.s3.list_objects_v2(Bucket="lake", Prefix="out/").get("Contents", [])
        return [self.s3.get_object(Bucket="lake", Key=o["Key"])["Body"].read() for o in found]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL_GLUE", raising=False)
    with mock_aws():
        yield Lab(tmp_path / "athena")


def succeeded(found: Any) -> None:
    assert found["Status"]["State"] == "SUCCEEDED", found["Status"]


def test_a_query_reads_all_partitions_and_leaves_marks_out(lab: Lab) -> None:
    lab.put("sales/1/a.csv", "item|price\nx|1.5\n")
    lab.put("sales/2/b.csv", "item|price\ny|2\nz|9\n")
    lab.put("sales/2/_SUCCESS", "")
    lab.table("sales", CSV, ["s3://lake/sales/1", "s3://lake/sales/2"])
    succeeded(lab.run("SELECT item, price * 2 AS twice FROM sales WHERE price < 5 ORDER BY item"))
    (text,) = lab.output()
    assert [json.loads(line) for line in text.splitlines()] == [
        {"item": "x", "twice": 3.0},
        {"item": "y", "twice": 4.0},
    ]


def test_what_presto_says_otherwise_than_duckdb(lab: Lab) -> None:
    lab.put(
        "sales/1/a.json",
        '{"item": "x", "price": 1, "tags": ["a", "b"]}\n{"item": "y", "price": 3, "tags": []}\n',
    )
    lab.table("sales", JSON, ["s3://lake/sales/1"])
    query = """
    WITH exploded AS (SELECT item, tag FROM sales CROSS JOIN UNNEST(tags) AS t (tag))
    SELECT approx_distinct(item) AS items, max_by(tag, item) AS last, cardinality(array_agg(tag)) AS n,
        date_format(date '2013-01-05', '%Y-%m') AS month
    FROM exploded
    """
    succeeded(lab.run(query))
    (text,) = lab.output()
    assert json.loads(text) | {"last": "b"} == {"items": 1, "last": "b", "n": 2, "month": "2013-01"}


def test_other_formats(lab: Lab) -> None:
    lab.put("sales/1/a.csv", "item|price\nx|1.5\n")
    lab.table("sales", CSV, ["s3://lake/sales/1"])
    succeeded(lab.run("SELECT * FROM sales", format="PARQUET"))
    (data,) = lab.output()
    file = Path(lab.athena.folder.parent / "a.parquet")
    file.write_bytes(data)
    assert duckdb.sql(f"SELECT * FROM '{file}'").fetchall() == [("x", 1.5, 0)]
    lab.put("parquet/a", "")
    lab.s3.put_object(Bucket="lake", Key="pq/1/a.parquet", Body=data)
    lab.glue.delete_table(DatabaseName="db", Name="sales")
    lab.table("sales", {**CSV, "format": "PARQUET"}, ["s3://lake/pq/1"])
    succeeded(lab.run("SELECT price FROM sales", "s3://lake/csv/", format="TEXTFILE", field_delimiter=";"))
    (key,) = [o["Key"] for o in lab.s3.list_objects_v2(Bucket="lake", Prefix="csv/")["Contents"]]
    assert io.BytesIO(lab.s3.get_object(Bucket="lake", Key=key)["Body"].read()).read() == b"1.5\n"


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT item,\n  prise FROM sales", "line 3:3: .*prise"),
        ("SELECT item\nFROM sales WHERE (", "SYNTAX_ERROR: line 3:18"),
        ("SELECT no_such_function(item) FROM sales", "line 2:8: .*no_such_function"),
    ],
)
def test_a_query_that_fails_says_where(lab: Lab, query: str, why: str) -> None:
    lab.put("sales/1/a.csv", "item|price\nx|1.5\n")
    lab.table("sales", CSV, ["s3://lake/sales/1"])
    found = lab.run(query)
    assert found["Status"]["State"] == "FAILED"
    assert re.search(why, found["Status"]["StateChangeReason"]), found["Status"]
    assert lab.output() == []


def test_the_same_token_is_the_same_query_and_a_full_folder_is_refused(lab: Lab) -> None:
    lab.put("sales/1/a.csv", "item|price\nx|1.5\n")
    lab.table("sales", CSV, ["s3://lake/sales/1"])
    first = lab.run("SELECT * FROM sales", token="t" * 32)
    assert lab.run("SELECT * FROM sales", token="t" * 32)["QueryExecutionId"] == first["QueryExecutionId"]
    again = lab.run("SELECT * FROM sales")
    assert "already exists" in again["Status"]["StateChangeReason"]


def test_a_column_that_a_file_lacks_is_null(lab: Lab) -> None:
    file = Path(lab.athena.folder.parent / "a.parquet")
    duckdb.sql("SELECT 'x' AS item").write_parquet(str(file))
    lab.s3.put_object(Bucket="lake", Key="pq/1/a.parquet", Body=file.read_bytes())
    lab.table("sales", {**CSV, "format": "PARQUET"}, ["s3://lake/pq/1"])
    succeeded(lab.run("SELECT item, price FROM sales"))
    assert [json.loads(text) for text in lab.output()] == [{"item": "x", "price": None}]


def test_json_as_openx_reads_it(lab: Lab) -> None:
    lab.put("sales/1/a.json", '{"at": "2024-01-02T03:04:05+02:00"}\n{"at": "2024-01-02T03:04:05Z"}\n')
    lab.table("sales", {**JSON, "columns": [["at", "timestamp"]]}, ["s3://lake/sales/1"])
    lab.source = 'SELECT at FROM "db"."sales"'
    succeeded(lab.run("SELECT at FROM sales ORDER BY at"))
    (text,) = lab.output()
    assert [json.loads(line)["at"] for line in text.splitlines()] == [
        "2024-01-02 01:04:05",
        "2024-01-02 03:04:05",
    ]
    lab.put("sales/1/b.json", '{"at": null, "AT": null}\n')
    found = lab.run("SELECT at FROM sales", "s3://lake/more/")
    assert 'Duplicate key "at"' in found["Status"]["StateChangeReason"]


def test_what_is_no_orc_is_an_error_that_names_the_file(lab: Lab) -> None:
    lab.put("sales/1/a.orc", "x")
    lab.table("sales", {**CSV, "format": "ORC"}, ["s3://lake/sales/1"])
    found = lab.run("SELECT item FROM sales")
    assert "a.orc" in found["Status"]["StateChangeReason"]


def test_a_table_of_another_format_is_refused_in_words(lab: Lab) -> None:
    lab.put("sales/1/a.avro", "x")
    definition = table_input("sales", CSV, "s3://lake/sales/1")
    definition["PartitionKeys"] = []
    definition["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"] = "org.apache.AvroSerDe"
    lab.glue.create_table(DatabaseName="db", TableInput=definition)
    found = lab.run("SELECT * FROM sales")
    assert "AvroSerDe are not read on this machine" in found["Status"]["StateChangeReason"]


def test_an_unknown_query_is_a_fault_of_the_client(lab: Lab) -> None:
    assert lab.call("GetQueryExecution", QueryExecutionId="x")["__type"] == "InvalidRequestException"
