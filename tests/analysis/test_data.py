"""The guide's chapter on data analysis: previews and loads, of S3 and of the Glue catalog, in all formats."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pandas as pd
import pytest
from support.cloud import Cloud

from rheo_platforms.data import reader
from rheo_platforms.data.errors import MissingDataError, ReadingError
from rheodsl import Application, SignalNode
from rheodsl.analysis import DataFrameFormat, Loading
from rheodsl.errors import FilterError, StateError, UnknownNameError, ValueCastError

pytestmark = pytest.mark.slow

ROWS = [{"id": 1, "name": "ann"}, {"id": 2, "name": "bob, the 2nd"}]
CSV = 'id,name\n1,ann\n2,"bob, the 2nd"\n'


@pytest.fixture
def app(cloud: Cloud) -> Application:
    cloud.session.client("s3").create_bucket(Bucket="lake")
    cloud.session.client("s3").create_bucket(Bucket="rheo-shop")
    return Application("shop", platform=cloud)  # type: ignore[arg-type]


def orders(app: Application, format: str = "CSV", **options: Any) -> SignalNode:
    return app.s3("orders", "s3://lake/orders/{region:int}/{day:%Y-%m-%d}", format=format, **options)


def packed(format: str, frame: pd.DataFrame) -> bytes:
    target = io.BytesIO()
    match format:
        case "PARQUET":
            frame.to_parquet(target)
        case "ORC":
            frame.to_orc(target)
        case "JSON":
            frame.to_json(target, orient="records", lines=True)
        case "CSV":
            frame.to_csv(target, index=False)
    return target.getvalue()


# --- the guide's examples ---


def test_a_preview_is_printed_and_returned(
    app: Application, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    signal = orders(app)
    cloud.put("s3://lake/orders/3/2021-01-12/part-0.csv", "id,name,more,last\n" + "1,ann,x,y\n" * 20)
    data, format = app.preview_data(signal[3]["2021-01-12"], limit=10, columns=3)
    assert format is DataFrameFormat.PANDAS
    assert (len(data), list(data.columns)) == (10, ["id", "name", "more"])
    said = capsys.readouterr().out
    assert said.splitlines()[0].split() == ["id", "name", "more"]
    assert len(said.splitlines()) == 11


def test_all_is_one_or_one_partition_at_a_time(app: Application, cloud: Cloud) -> None:
    signal = orders(app)
    for day in ("11", "12", "14"):
        cloud.put(f"s3://lake/orders/3/2021-01-{day}/part-0.csv", f"id,name\n{day},a\n{day},b\n")
    window = signal[3][:-4]
    one = app.load_data(window, values=["2021-01-14"])
    assert list(next(one)["id"]) == [14, 14, 12, 12, 11, 11]  # the tip first
    assert next(one, None) is None
    each = app.load_data(window, values=[3, "2021-01-14"], iterate=True)
    days = []
    for data in each:
        assert each.partition is not None
        days.append((each.partition.dimensions["day"], list(data["id"])))
    assert days == [("2021-01-14", [14, 14]), ("2021-01-12", [12, 12]), ("2021-01-11", [11, 11])]
    assert each.partition is not None
    assert each.partition.path == "s3://lake/orders/3/2021-01-11"


def test_the_limit_is_of_rows_in_all(app: Application, cloud: Cloud) -> None:
    signal = orders(app)
    for day in ("11", "12", "13"):
        for part in (0, 1):
            cloud.put(f"s3://lake/orders/3/2021-01-{day}/part-{part}.csv", f"id\n{day}\n{day}\n")
    view = signal[3][:-3]
    for format in ("PANDAS", "ORIGINAL"):
        sizes = [len(d) for d in app.load_data(view, 5, format, iterate=True, values=["2021-01-13"])]
        assert sizes == [4, 1]
        [data] = app.load_data(view, limit=3, format=format, values=["2021-01-13"])
        assert len(data) == 3


# --- formats ---


@pytest.mark.parametrize("format", ["CSV", "JSON", "PARQUET", "ORC"])
def test_every_format_reads_as_a_frame_and_as_rows(app: Application, cloud: Cloud, format: str) -> None:
    signal = orders(app, format)
    folder = "s3://lake/orders/1/2021-01-12"
    cloud.put(f"{folder}/_SUCCESS")
    cloud.put(f"{folder}/.part-0.crc", "not data")
    cloud.put(f"{folder}/_temporary/0/part-9", "not data")
    cloud.put(f"{folder}/part-0", packed(format, pd.DataFrame(ROWS[:1])))
    cloud.put(f"{folder}/nested/part-1", packed(format, pd.DataFrame(ROWS[1:])))
    view = signal[1]["2021-01-12"]
    [frame] = app.load_data(view, format=DataFrameFormat.PANDAS)
    assert frame.sort_values("id").to_dict("records") == ROWS
    [rows] = app.load_data(view, format="ORIGINAL")
    texts = [{"id": str(row["id"]), "name": row["name"]} for row in ROWS]
    assert sorted(rows, key=str) == (texts if format == "CSV" else ROWS)
    [some] = app.load_data(view, limit=1, format="PANDAS", columns=["name"])
    assert list(some.columns) == ["name"]
    assert len(some) == 1
    [some] = app.load_data(view, limit=1, format="ORIGINAL", columns=1)
    assert list(some[0]) == ["id"]
    with pytest.raises(UnknownNameError, match="has no column 'nam'") as fault:
        next(app.load_data(view, columns=["nam"]))
    assert fault.value.hint == "its columns: id, name"


def test_csv_is_read_as_it_is_declared(app: Application, cloud: Cloud) -> None:
    view = orders(app, header=False, delimiter="|", schema="id STRING, price DOUBLE, at DATE")[1][
        "2021-01-12"
    ]
    cloud.put(
        "s3://lake/orders/1/2021-01-12/a.csv.gz", gzip.compress(b"007|1.5|2021-01-12\n008||2021-01-13\n")
    )
    [frame] = app.load_data(view)
    assert list(frame["id"]) == ["007", "008"]
    assert frame["price"][0] == 1.5
    assert frame["price"].isna()[1]
    assert frame["at"][1] == pd.Timestamp("2021-01-13")
    [rows] = app.load_data(view, format="ORIGINAL")
    assert rows[0] == {"id": "007", "price": "1.5", "at": "2021-01-12"}


def test_csv_without_names_has_those_of_spark(app: Application, cloud: Cloud) -> None:
    view = orders(app, header=False)[1]["2021-01-12"]
    cloud.put("s3://lake/orders/1/2021-01-12/a.csv", "1,ann\n2,bob\n")
    [frame] = app.load_data(view)
    assert list(frame.columns) == ["_c0", "_c1"]
    [rows] = app.load_data(view, format="ORIGINAL")
    assert rows[1] == {"_c0": "2", "_c1": "bob"}


def test_json_may_be_one_list(app: Application, cloud: Cloud) -> None:
    view = orders(app, "JSON")[1]["2021-01-12"]
    cloud.put("s3://lake/orders/1/2021-01-12/a.json", json.dumps([*ROWS, {"id": 3}], indent=1))
    [rows] = app.load_data(view, format="ORIGINAL", columns=["name"])
    assert rows == [{"name": "ann"}, {"name": "bob, the 2nd"}, {"name": None}]
    assert len(next(app.load_data(view))) == 3


def test_data_that_is_not_what_it_is_said_to_be(app: Application, cloud: Cloud) -> None:
    view = orders(app, "PARQUET")[1]["2021-01-12"]
    cloud.put("s3://lake/orders/1/2021-01-12/part-0", CSV)
    with pytest.raises(
        ReadingError, match="s3://lake/orders/1/2021-01-12/part-0 is no PARQUET file"
    ) as fault:
        next(app.load_data(view))
    assert "DataFormat.CSV" in (fault.value.hint or "")


# --- outputs of nodes, and tables ---


def test_the_output_of_a_node_lies_in_the_application_s_bucket(app: Application, cloud: Cloud) -> None:
    node = app.create_data(
        "daily", inputs=[orders(app)], compute_targets="output = orders", dataset_format="CSV"
    )
    cloud.put("s3://rheo-shop/internal_data/daily/1/2021-01-12/part-0", CSV)
    [frame] = app.load_data(node[1]["2021-01-12"])
    assert frame.to_dict("records") == ROWS


def table(cloud: Cloud, serde: str, parameters: dict[str, str], keys: list[str]) -> Any:
    glue = cloud.session.client("glue")
    glue.create_database(DatabaseInput={"Name": "sales"})
    storage = {
        "Columns": [{"Name": "id", "Type": "bigint"}, {"Name": "name", "Type": "string"}],
        "Location": "s3://lake/items",
        "SerdeInfo": {"SerializationLibrary": serde, "Parameters": parameters},
    }
    glue.create_table(
        DatabaseName="sales",
        TableInput={
            "Name": "items",
            "PartitionKeys": [{"Name": key, "Type": "string"} for key in keys],
            "StorageDescriptor": storage,
        },
    )

    def add(*values: str, location: str) -> None:
        entry = {"Values": list(values), "StorageDescriptor": {**storage, "Location": location}}
        glue.create_partition(DatabaseName="sales", TableName="items", PartitionInput=entry)

    return add


def test_a_partition_of_a_table_lies_where_the_catalog_says(app: Application, cloud: Cloud) -> None:
    serde = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
    add = table(cloud, serde, {"field.delim": ";"}, ["region", "day"])
    add("EU", "2021-01-12", location="s3://lake/somewhere/else")
    cloud.put("s3://lake/somewhere/else/000", "1;ann\n2;bob, the 2nd\n")
    items = app.glue_table(
        "items", "sales", "items", {"region": {"type": "STRING", "day": {"type": "DATETIME"}}}
    )
    data = app.load_data(items["EU"]["2021-01-12"], iterate=True)
    assert next(data).to_dict("records") == ROWS
    assert data.partition is not None
    assert data.partition.path == "s3://lake/somewhere/else"
    with pytest.raises(MissingDataError) as fault:
        app.load_data(items["EU"]["2021-01-20"])
    assert fault.value.what == "there is no data at sales.items/EU/2021-01-20"
    assert fault.value.hint == "the nearest is sales.items/EU/2021-01-12: items['EU']['2021-01-12']"


def test_a_table_without_partitions_is_read_whole(app: Application, cloud: Cloud) -> None:
    table(cloud, "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe", {}, [])
    cloud.put("s3://lake/items/000", packed("PARQUET", pd.DataFrame(ROWS)))
    items = app.glue_table("items", "sales", "items")
    assert next(app.load_data(items)).to_dict("records") == ROWS


# --- what is not there ---


def test_what_is_missing_is_named_with_the_nearest_that_exists(app: Application, cloud: Cloud) -> None:
    signal = orders(app)
    with pytest.raises(MissingDataError) as nothing:
        app.load_data(signal[1]["2021-01-12"])
    assert nothing.value.hint == "orders has no partition at all yet"
    for key in ("1/2021-01-03", "1/2021-01-18", "2/2021-01-12", "1/tmp", "_tmp/2021-01-12"):
        cloud.put(f"s3://lake/orders/{key}/part-0.csv", CSV)
    with pytest.raises(MissingDataError) as fault:
        app.preview_data(signal[1]["2021-01-12"])
    assert str(fault.value).splitlines()[0] == "RD541: there is no data at s3://lake/orders/1/2021-01-12"
    assert fault.value.hint == "the nearest is s3://lake/orders/1/2021-01-18: orders['1']['2021-01-18']"
    with pytest.raises(MissingDataError, match=r"nor at the 2 other partitions of the window") as fault:
        app.load_data(signal[1][:-3], values=["2021-01-12"])
    with pytest.raises(MissingDataError) as fault:
        app.load_data(signal[7]["2021-01-12"])
    assert "s3://lake/orders/2/2021-01-12" in (fault.value.hint or "")


def test_what_is_open_must_be_given(app: Application) -> None:
    signal = orders(app)
    with pytest.raises(FilterError, match=r"orders\[1\] leaves day open"):
        app.load_data(signal[1])
    with pytest.raises(FilterError, match=r"leaves 1 of 2 dimensions open, but 3 values are given") as fault:
        app.load_data(signal[1], values=[1, 2, 3])
    assert fault.value.hint == "give one for each of day"
    with pytest.raises(ValueCastError):
        app.load_data(signal[1], values=["12/01"])
    with pytest.raises(ReadingError, match="tick has no data"):
        app.load_data(app.add_timer("tick", "rate(1 day)"))
    with pytest.raises(ValueError, match="EXCEL"):
        app.load_data(signal[1]["2021-01-12"], format="EXCEL")
    with pytest.raises(StateError, match="no platform"):
        Application("x").load_data(signal)


# --- what is installed ---


def test_the_order_of_formats(app: Application, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    view = orders(app)[1]["2021-01-12"]
    cloud.put("s3://lake/orders/1/2021-01-12/part-0", CSV)
    here = {"pandas", "pyarrow", "pyspark"}
    monkeypatch.setattr(reader, "_installed", lambda module: module in here)
    best = reader.best_format
    assert best(Loading()) is DataFrameFormat.PANDAS
    assert best(Loading(spark=object())) is DataFrameFormat.SPARK
    here.discard("pandas")
    assert best(Loading()) is DataFrameFormat.SPARK
    here.discard("pyspark")
    data, format = app.preview_data(view)
    assert (len(data), format) == (2, DataFrameFormat.ORIGINAL)
    with pytest.raises(ReadingError, match="pandas is not installed"):
        next(app.load_data(view, format="PANDAS"))


def test_rows_are_shown_as_a_table(
    app: Application, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reader, "_installed", lambda module: False)
    cloud.put("s3://lake/orders/1/2021-01-12/part-0", "id,[name]\n1,[bold]ann\n")
    app.preview_data(orders(app)[1]["2021-01-12"])
    said = capsys.readouterr().out
    assert "[name]" in said
    assert "[bold]ann" in said
