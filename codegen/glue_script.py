"""Spark task -> the PySpark script of its Glue job: plain, readable, and the same on a laptop."""

from __future__ import annotations

from typing import Any

from codegen import plan as p
from codegen.compaction import COMPACT, compaction_block, compacts
from codegen.emission import emission_block
from codegen.source import LINE, Raw, block, docstring, literal, module, raw
from rheodsl.errors import Place

_IMPORTS = """\
{stdlib}

{awsglue}from pyspark.sql import {names}
"""

_READ = '''\
spark = SparkSession.builder.getOrCreate()


def complete(path, names):
    """Say whether a folder has data, and one of the objects that say it is finished (none: any data is)."""
    folder = spark._jvm.org.apache.hadoop.fs.Path(path)
    files = folder.getFileSystem(spark._jsc.hadoopConfiguration())
    if not files.exists(folder):
        return False
    found = {entry.getPath().getName() for entry in files.listStatus(folder)}
    return any(not name.startswith(("_", ".")) for name in found) and (not names or bool(found & set(names)))


def read(alias, paths):
    """Return one frame of the partitions that exist. The first is the tip: it was announced, or asked for."""
    source = INPUTS[alias]
    found = [path for n, path in enumerate(paths) if complete(path, source["completion"] if n else [])]
    if not found:
        raise FileNotFoundError(f"no partition of {alias!r} exists; looked for {', '.join(paths)}")
    reader = spark.read.format(source["format"]).options(**source["options"])
    if source["schema"]:
        reader = reader.schema(source["schema"])
    return reader.load(found)
'''

_TABLES = '''\
def frame_of(source, path):
    """Return one partition; catalog://database/table/key=value is one of a table of the catalog."""
    if path.startswith("catalog://"):
        database, table, *keys = path.removeprefix("catalog://").split("/")
        frame = spark.table(f"`{database}`.`{table}`")
        for name, _, value in (key.partition("=") for key in keys):
            frame = frame.where(functions.col(name).cast("string") == value)
        return frame
    reader = spark.read.format(source["format"]).options(**source["options"])
    if source["schema"]:
        reader = reader.schema(source["schema"])
    return reader.load(path)


def latest(frames, keys):
    """Of rows with the same keys, keep one: that of the first frame which has it, the latest partition."""
    ranked = [frame.withColumn("rheo_rank", functions.lit(rank)) for rank, frame in enumerate(frames)]
    order = Window.partitionBy(*keys).orderBy("rheo_rank")
    rows = reduce(DataFrame.unionByName, ranked).withColumn("rheo_row", functions.row_number().over(order))
    return rows.where("rheo_row = 1").drop("rheo_rank", "rheo_row")


def read(alias, paths):
    """Return one frame of the partitions that exist. The first is the tip: it was announced, or asked for."""
    source = INPUTS[alias]
    found = [
        path
        for n, path in enumerate(paths)
        if path.startswith("catalog://") or complete(path, source["completion"] if n else [])
    ]
    if not found:
        raise FileNotFoundError(f"no partition of {alias!r} exists; looked for {', '.join(paths)}")
    frames = [frame_of(source, path) for path in found]
    return latest(frames, source["keys"]) if source["keys"] else reduce(DataFrame.unionByName, frames)
'''

_WRITE = '''\
def write(output, path):
    """Replace the partition: the old data, and the object that says it is finished, go first.

    Spark writes no _SUCCESS; the DAG's publish task does, when all computes have succeeded.
    """
    if not isinstance(output, DataFrame):
        raise TypeError(f"{NODE}: 'output' is {type(output).__name__}, not a Spark DataFrame")
    (
        output.write.mode("overwrite")
        .format(OUTPUT["format"])
        .options(**OUTPUT["options"])
        .option("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
        .save(path)
    )
'''

_SCOPE = '''\
def scope(execution, args):
    """Return what the code may use: inputs by alias and number, dimensions, args, spark, Spark's functions.

    Each input is also a temporary view under its alias, for spark.sql.
    """
    names = {
        name: function
        for name, function in vars(functions).items()
        if getattr(function, "__module__", "") == functions.__name__
        and not name.startswith("_")
        and not hasattr(builtins, name)
    }
    names |= @NAMES@
    for number, entry in enumerate(execution["inputs"]):
        if entry["alias"] in INPUTS:
            frame = read(entry["alias"], entry["paths"])
            frame.createOrReplaceTempView(entry["alias"])
            names |= {f"input{number}": frame, entry["alias"]: frame}
    return names
'''

_TEXT = '''\
def compute(names):
    """Run the code under its own file name and lines, so that its errors point there."""
    linecache.cache[FILE] = (0, None, (PADDING + CODE).splitlines(keepends=True), FILE)
    names["__name__"] = "compute"
    exec(compile(PADDING + CODE, FILE, "exec"), names)
'''

_OF_TEXT = """\
    if "output" not in names:
        raise NameError(f"{NODE}: the code assigns no 'output'")
    return names["output"]
"""

_OF_SIDE_TEXT = """\
    if "output" in names:
        raise NameError(f"{NODE}: only the first Spark compute of a node writes its output")
    return None
"""

_OF_FUNCTION = """\
    function = names[ENTRY]
    return function(**{name: names[name] for name in inspect.signature(function).parameters if name in names})
"""

_SQL = '''\
def compute(names):
    """Run the query over the inputs, which are views under their aliases."""
    return spark.sql(CODE)
'''

_GLUE_OPTIONS = """\
options = getResolvedOptions(sys.argv, ["execution", *ARGS])
"""

_EMR_OPTIONS = """\
parser = argparse.ArgumentParser()
for name in ["execution", *ARGS]:
    parser.add_argument(f"--{name}", dest=name, required=True)
options = vars(parser.parse_args())
"""

_MAIN = """\
text = options["execution"]
if text.startswith("s3://"):  # a document that is too large for an argument
    text = spark.read.text(text, wholetext=True).first().value
execution = json.loads(text)
"""


def glue_script(dag: p.DagPlan, task: p.ScriptTask) -> str:
    """Return the text of the PySpark script of one target of a node, for AWS Glue."""
    return _script(dag, task, glue=True)


def emr_script(dag: p.DagPlan, task: p.ScriptTask) -> str:
    """Return the text of the PySpark script of one target of a node, for any spark-submit."""
    return _script(dag, task, glue=False)


def _script(dag: p.DagPlan, task: p.ScriptTask, glue: bool) -> str:
    where = task.code.where or Place("compute", 1)
    title = f"Spark job of {dag.node}, in the application {dag.app}; its code is from {where}."
    about = f"{title}\n\nGenerated by Rheo: change the application and compile again.\n"
    emission = [emission_block(task)] if task.metrics else []
    emission += [compaction_block()] if compacts(task) else []
    blocks = [
        docstring(about),
        _imports(task, glue, _of_tables(dag)),
        *emission,
        _constants(dag, task, where),
    ]
    read = _READ.partition("\n\n\ndef read(")[0] + "\n\n\n" + _TABLES if _of_tables(dag) else _READ
    blocks += [read, _scope(task), _compute(task)]
    main = (_GLUE_OPTIONS if glue else _EMR_OPTIONS) + _MAIN
    if task.writes:
        blocks.append(_WRITE)
        main += 'write(compute(scope(execution, {name: options[name] for name in ARGS})), execution["output"]["path"])\n'
    else:
        main += "compute(scope(execution, {name: options[name] for name in ARGS}))\n"
    return module(*blocks, main)


def _scope(task: p.ScriptTask) -> str:
    more = [*(["diagnostics"] if task.metrics else []), *([COMPACT] if compacts(task) else [])]
    names = {"dimensions": 'execution["output"]["dimensions"]', "args": "args", "spark": "spark"}
    items = [f"{literal(name)}: {value}" for name, value in {**names, **{n: n for n in more}}.items()]
    flat = f"    names |= {{{', '.join(items)}}}"
    if len(flat) > LINE:
        flat = "    names |= {\n" + "".join(f"        {item},\n" for item in items) + "    }"
    return _SCOPE.replace("    names |= @NAMES@", flat)


def _of_tables(dag: p.DagPlan) -> bool:
    """Whether some input is a table that the catalog alone knows, or has rows that take the place of others."""
    return any(i.table or i.primary_keys for i in dag.inputs)


def _imports(task: p.ScriptTask, glue: bool, tables: bool) -> str:
    python = task.lang == "PYTHON"
    stdlib = ["builtins", "json", "sys" if glue else "argparse", *(["linecache"] if python else [])]
    if task.code.form == "function":
        stdlib.append("inspect")
    names = ["SparkSession", "functions", *(["DataFrame"] if task.writes or tables else [])]
    names += ["Window"] if tables else []
    return _IMPORTS.format(
        awsglue="from awsglue.utils import getResolvedOptions\n" if glue else "",
        stdlib="\n".join(
            [*(f"import {m}" for m in sorted(stdlib)), *(["from functools import reduce"] if tables else [])]
        ),
        names=", ".join(sorted(names, key=_as_isort)),
    )


def _as_isort(name: str) -> tuple[bool, str]:
    """Classes before functions."""
    return name.islower(), name


def _constants(dag: p.DagPlan, task: p.ScriptTask, where: Place) -> str:
    inputs = {i.alias: _reading(i) for i in dag.inputs if i.readable}
    if _of_tables(dag):
        inputs = {i.alias: {**_reading(i), "keys": list(i.primary_keys)} for i in dag.inputs if i.readable}
    lines = [
        f"NODE = {literal(dag.node)}",
        f"INPUTS = {block(inputs, used=9)}",
    ]
    if task.writes:
        lines.append(
            f"OUTPUT = {block({'format': dag.format.format.lower(), 'options': _options(dag.format)})}"
        )
    lines.append(f"ARGS = {literal([name for name, _ in task.args])}")
    if task.lang == "PYTHON":
        lines += [
            f"FILE = {literal(where.file)}",
            f'PADDING = "\\n" * {literal(where.line - 1)}',
        ]
        if task.code.form == "function":
            lines.append(f"ENTRY = {literal(task.code.entry)}")
    lines.append(f"CODE = {raw(task.code.text)}")
    return "\n".join(lines)


def _reading(source: p.Input) -> dict[str, Any]:
    options = _options(source.format)
    if source.format.format == "CSV" and source.format.schema is None:
        options["inferSchema"] = "true"
    return {
        "format": source.format.format.lower(),
        "options": options,
        "schema": source.format.schema,
        "completion": list(source.completion),
    }


def _options(format: p.Format) -> dict[str, str]:
    if format.format != "CSV":
        return {}
    return {"header": str(format.header).lower(), "sep": format.delimiter}


def _compute(task: p.ScriptTask) -> Raw:
    if task.lang == "SPARK_SQL":
        return Raw(_SQL)
    if task.code.form == "function":
        return Raw(_TEXT + _OF_FUNCTION)
    return Raw(_TEXT + (_OF_TEXT if task.writes else _OF_SIDE_TEXT))
