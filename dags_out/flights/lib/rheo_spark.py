"""What every Spark script of Rheo needs: its execution, its inputs as frames, and the writing of its output.

Shipped beside the scripts, to AWS Glue, EMR Serverless and the Spark of this machine alike. A script makes a
`Job`, reads its inputs from it, runs the user's code and lets the job write what that code made. Runs on
Python 3.10 and Spark 3.3 and later.
"""

from __future__ import annotations

import codecs
import importlib.util
import json
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import rheo_formats
from rheo_formats import Format, FormatError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

T = TypeVar("T")
R = TypeVar("R")

# The file that a row is from, while it is read.
_FILE = "rheo_file"
_THREADS = 16
_NO_TEXT = "\x01\x02"  # what no text of CSV is: an empty one is no value only where it is declared so
ITSELF = "."  # the completion name of a partition that is an object


def arguments(names: Iterable[str], words: Sequence[str]) -> dict[str, str]:
    """Return the values of ``--name value`` or ``--name=value``; raises KeyError for one that is missing.

    >>> arguments(["execution", "factor"], ["--JOB_NAME", "x", "--factor=-1", "--execution", "{}"])
    {'execution': '{}', 'factor': '-1'}
    """
    found: dict[str, str] = {}
    for word, following in pairwise([*words, ""]):
        name, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--"):
            found[name] = value if equals else following
    return {name: found[name] for name in names}


class Job:
    """One run of a script: the execution that it carries out.

    Parameters
    ----------
    node
        The node's id.
    inputs
        Alias -> how the data of this input reads: the fields of `Format`, ``completion`` (the objects that
        complete a partition), ``keys`` (of rows with the same, the latest counts), and, for an input of
        several partitions, ``path`` and ``dimensions``: the template of their keys in a bucket, and name and type of each
        place in it; where a place is not simply a dimension's text, also ``pattern`` and ``texts``: a regular
        expression of the keys, and how each dimension is put together of its groups, and ``spelled``: of dates
        that are made in one format of ``strftime`` and written in another, both.
    output
        How the output is written; None for a script that writes none.
    checks
        What the output must be: ``kind``, what it needs, and ``severity``.
    arguments
        The names of the script's own arguments.
    words
        The command line.
    """

    def __init__(
        self,
        node: str,
        *,
        inputs: Mapping[str, Mapping[str, Any]],
        output: Mapping[str, Any] | None = None,
        checks: Sequence[Mapping[str, Any]] = (),
        arguments: Sequence[str] = (),
        words: Sequence[str] | None = None,
    ) -> None:
        from pyspark.sql import SparkSession

        self.node = node
        one = _ONE.get()
        words = sys.argv[1:] if words is None else words
        given = _arguments([*arguments, *(() if one else ["execution"])], words)
        # In a batch each execution has a session of its own: the names of views are those of its inputs.
        self.spark: SparkSession = one.spark if one else SparkSession.builder.getOrCreate()
        self.execution: dict[str, Any] = one.execution if one else _document(self.spark, given["execution"])
        self.args = {name: given[name] for name in arguments}
        self.dimensions: dict[str, str] = self.execution["output"]["dimensions"]
        self._inputs = inputs
        self._output = output
        self._checks = checks
        self._entries = {entry["alias"]: entry for entry in self.execution["inputs"]}
        self._sources: list[Source] = []

    @property
    def namespace(self) -> str:
        """The CloudWatch namespace of the application's own metrics."""
        return f"Rheo/{self.execution['app']}"

    def read(self, alias: str) -> DataFrame | None:
        """Return an input as one frame, which is also the view of its alias; None for one that is absent.

        Raises FileNotFoundError when no partition of it exists, FormatError for data that is not as declared.
        """
        entry, described = self._entries[alias], self._inputs[alias]
        source = Source(self.spark, alias, described)
        self._sources.append(source)
        own_past = entry["signal"] == self.execution["node"]  # which is read if it is there
        if entry.get("absent") or (own_past and not source.is_there(entry["paths"])):
            if source.format.declared:
                source.empty().createOrReplaceTempView(alias)
            return None
        frame = source.read(entry["paths"])
        frame.createOrReplaceTempView(alias)
        return frame

    def value(self, alias: str) -> str:
        """Return the value of an input without data, such as a timer: the texts of its partition."""
        return "/".join(self._entries[alias]["dimensions"].values())

    def write(self, output: Any, functions: Mapping[str, Callable[..., Any]] | None = None) -> None:
        """Write the output beside the old partition, and check it there; the DAG's publish task takes it over.

        ``functions`` are those that the node's checks call. Where the execution names no place beside it, the
        partition is replaced at once: the old data, and the object that says it is finished, go first. Raises
        TypeError for what is no frame.
        """
        if self._output is None:
            raise TypeError(f"{self.node}: only the first Spark compute of a node writes its output")
        if not _is_frame(output):
            raise TypeError(f"{self.node}: 'output' is {type(output).__name__}, not a Spark DataFrame")
        format, place = Format.of(self._output), self.execution["output"]
        staged = place.get("staged")
        writer = (
            output.write.mode("overwrite")
            .format(format.format.lower())
            .options(**writing(format))
            # Beside the partition Spark's own mark says that all is written; publish writes that of the partition.
            .option("mapreduce.fileoutputcommitter.marksuccessfuljobs", str(staged is not None).lower())
        )
        try:
            writer.save(staged or place["path"])
        except Exception as fault:
            if (named := self.named(fault)) is None:
                raise
            raise named from fault
        if self._checks:
            self._check(output, staged or place["path"], functions or {})

    def named(self, fault: Exception) -> FormatError | None:
        """Return the error that names the file of an input which Spark could not read; None for any other fault."""
        return next((found for source in self._sources if (found := source.named(fault)) is not None), None)

    def _check(self, output: Any, folder: str, functions: Mapping[str, Callable[..., Any]]) -> None:
        """Leave the results of the node's checks beside what was written."""
        described = {**(self._output or {}), "columns": None}
        if described["format"] == "JSON" and not described.get("schema"):
            # A column without a value stands in no file of JSON.
            typed = ((name, kind) for name, kind in output.dtypes if kind != "void")
            described["schema"] = ", ".join(f"{_quoted(name)} {kind}" for name, kind in typed)
        source = Source(self.spark, "output", described)
        if source.listed(folder):
            frame = source.read([folder])
        else:
            frame = source.empty() if source.format.declared else output.limit(0)
        frame.createOrReplaceTempView("output")
        results = [result(self.spark, frame, check, functions) for check in self._checks]
        for found in results:
            print(f"check {found['check']}: {'passed' if found['passed'] else found['what']}", flush=True)
        _put(self.spark, f"{folder}/_checks.json", json.dumps(results))


_arguments = arguments  # a parameter of Job has the name


def _document(spark: SparkSession, text: str) -> Any:
    """The JSON of an argument, or of the object that it names: one that is too large for an argument."""
    if text.startswith("s3://"):
        row = spark.read.text(_literal(text), wholetext=True).first()
        assert row is not None
        text = row.value
    return json.loads(text)


@dataclass(frozen=True)
class One:
    """One execution of a batch, and the session that it has for itself."""

    spark: SparkSession
    execution: dict[str, Any]


_ONE: ContextVar[One | None] = ContextVar("one", default=None)


class Batch:
    """One run of a script for many executions: the node's own script, once for each, in one Spark application.

    What became of each is one object: ``<result>.ok``, or ``<result>.failed`` with the reason. One that fails does
    not fail the others, nor the job.

    Parameters
    ----------
    module
        The node's script: a module that is run anew for each execution.
    words
        The command line; ``--execution`` says where the executions are.
    """

    def __init__(self, module: str, *, words: Sequence[str] | None = None) -> None:
        from pyspark.sql import SparkSession

        self.spark: SparkSession = SparkSession.builder.getOrCreate()
        given = arguments(["execution"], sys.argv[1:] if words is None else words)
        self._given = _document(self.spark, given["execution"])
        found = importlib.util.find_spec(module)
        if found is None or found.origin is None:
            raise ModuleNotFoundError(f"{module} is not shipped beside this job")
        self._file = found.origin
        with open(self._file, encoding="utf-8") as file:
            self._code = compile(file.read(), self._file, "exec", dont_inherit=True)

    def run(self) -> int:
        """Carry out the executions, as many at a time as is said; return how many failed."""
        batch, parallel = self._given["batch"], self._given["parallel"]
        if parallel == 1:
            good = [self._one(each) for each in batch]
        else:
            with ThreadPoolExecutor(parallel) as pool:
                good = list(pool.map(self._one, batch))
        print(f"{sum(good)} of {len(batch)} executions are computed", flush=True)
        return len(good) - sum(good)

    def _one(self, each: Mapping[str, Any]) -> bool:
        error = ""
        for attempt in range(1, self._given["attempts"] + 1):
            found = self._error(each["execution"])
            if found is None:
                _put(self.spark, f"{each['result']}.ok", "")
                return True
            error = found
            print(f"{each['execution']['id']}, attempt {attempt}:\n{error}", file=sys.stderr, flush=True)
        _put(self.spark, f"{each['result']}.failed", error)
        return False

    def _error(self, execution: dict[str, Any]) -> str | None:
        """Run the script for one execution; return what it raised, with the lines of the script alone."""
        token = _ONE.set(One(self._session(), execution))
        names: dict[str, Any] = {"__name__": "__main__", "__file__": self._file}
        try:
            exec(self._code, names)
        except SystemExit as end:
            return None if end.code in (None, 0) else f"SystemExit: {end.code}"
        except Exception as fault:  # noqa: BLE001 - whatever user code raises fails its own execution
            job = names.get("rheo_job")
            named = job.named(fault) if isinstance(job, Job) else None
            return _told(fault if named is None else named.with_traceback(fault.__traceback__), self._file)
        finally:
            _ONE.reset(token)
        return None

    def _session(self) -> SparkSession:
        """A session with the settings of the job's, and views of its own; the one that user code finds."""
        made = type(self.spark)(self.spark.sparkContext, self.spark._jsparkSession.cloneSession())
        _java(self.spark._jvm, "org.apache.spark.sql.SparkSession").setActiveSession(made._jsparkSession)
        if self._given["parallel"] == 1:
            type(self.spark)._instantiatedSession = made
        return made


def _told(fault: Exception, file: str) -> str:
    """A failure as its traceback, and a last line that says it all, in the words of Glue."""
    lines = [frame.lineno for frame in traceback.extract_tb(fault.__traceback__) if frame.filename == file]
    place = f"Failed Line Number: {lines[-1]}; " if lines else ""
    message = str(fault).strip()
    # The first line of Spark's own error says little ("Job aborted"): show its last cause too.
    causes = re.findall(r"^(?:Caused by: |: )(\S+(?:Exception|Error): .*)$", message, re.MULTILINE)
    said = (
        " <- ".join(dict.fromkeys([causes[0], causes[-1]])) if causes else (message.splitlines() or [""])[0]
    )
    return f"{''.join(traceback.format_exception(type(fault), fault, fault.__traceback__))}{place}{type(fault).__name__}: {said}"


@cache
def _java(jvm: Any, name: str) -> Any:
    """A class of Java: each part of its name is asked of the JVM, which looks for a class of it in all its libraries."""
    return reduce(getattr, name.split("."), jvm)


def _place(spark: SparkSession, path: str) -> tuple[Any, Any]:
    """A path of Hadoop, and the file system that has it."""
    place = _java(spark._jvm, "org.apache.hadoop.fs.Path")(path)
    return place, place.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())


def _put(spark: SparkSession, path: str, text: str) -> None:
    """Write a small object."""
    place, system = _place(spark, path)
    stream = system.create(place, True)
    stream.write(bytearray(text.encode()))
    stream.close()


def _is_frame(value: Any) -> bool:
    """Whether a value is a frame of Spark, of a session here or of one that is connected to."""
    return any(kind.__name__ == "DataFrame" and "pyspark" in kind.__module__ for kind in type(value).__mro__)


def writing(format: Format) -> dict[str, str]:
    """Return Spark's options for writing files that read back as they are declared.

    >>> writing(Format("CSV", delimiter="|"))["sep"]
    '|'
    """
    options: dict[str, str] = {}
    if format.format == "CSV":
        options = {
            "header": str(format.header).lower(),
            "sep": format.delimiter,
            "quote": format.quote,
            "escape": format.escape or format.quote,
            "emptyValue": format.quote * 2,
            "ignoreLeadingWhiteSpace": "false",
            "ignoreTrailingWhiteSpace": "false",
        }
        if format.nulls and "" not in format.nulls:
            options["nullValue"] = format.nulls[0]
    if format.format in ("CSV", "JSON"):
        if java_charset(format.encoding) != "UTF-8":
            options["encoding"] = java_charset(format.encoding)
        options |= {"timestampFormat": _MICROSECONDS, **times(format)}
    return options


_MICROSECONDS = "yyyy-MM-dd'T'HH:mm:ss[.SSSSSS][XXX]"  # Spark itself writes thousandths


def times(format: Format) -> dict[str, str]:
    """Return Spark's options for dates and times that are declared to be written in another way than ISO 8601."""
    said = {"dateFormat": format.date_format, "timestampFormat": format.timestamp_format}
    return {name: java_pattern(written) for name, written in said.items() if written is not None}


_JAVA = {
    "iso8859-1": "ISO-8859-1",
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "ascii": "US-ASCII",
}
# What Spark 4 takes without being told to take more.
_STANDARD = ("US-ASCII", "ISO-8859-1", "UTF-8", "UTF-16", "UTF-16BE", "UTF-16LE", "UTF-32")


def java_charset(encoding: str) -> str:
    """Return Java's name of an encoding.

    >>> java_charset("latin-1"), java_charset("cp1252"), java_charset("utf-16-le")
    ('ISO-8859-1', 'windows-1252', 'UTF-16LE')
    """
    name = codecs.lookup(encoding).name
    if re.fullmatch(r"cp125\d", name):
        return name.replace("cp", "windows-")
    return _JAVA.get(name, re.sub(r"^UTF-(16|32)-(LE|BE)$", r"UTF-\1\2", name.upper()))


_PATTERNS = {"Y": "yyyy", "y": "yy", "m": "MM", "d": "dd", "H": "HH", "M": "mm", "S": "ss", "f": "SSSSSS"}


# Beside these, what dates are read in: 03Mar2024, 2024/060, 12AM, 2024/3/1.
_READ = {
    **_PATTERNS, "b": "MMM", "B": "MMMM", "j": "DDD", "I": "hh", "p": "a",
    "-m": "M", "-d": "d", "-j": "D", "-H": "H", "-I": "h", "-M": "m", "-S": "s",
}  # fmt: skip


def java_pattern(written: str, patterns: Mapping[str, str] = _PATTERNS) -> str:
    """Return Java's spelling of a format of ``strftime``.

    >>> java_pattern("%d.%m.%Y"), java_pattern("%Y/%-m", _READ)
    ('dd.MM.yyyy', 'yyyy/M')
    """
    parts = re.findall(r"([^%]+)|%(-?.)", written)
    if unknown := [directive for literal, directive in parts if not literal and directive not in patterns]:
        raise FormatError(f"%{unknown[0]} in {written!r} is not written", "use %Y-%m-%d %H:%M:%S")
    spelled = (re.sub(r"[A-Za-z]+", r"'\g<0>'", literal) if literal else patterns[d] for literal, d in parts)
    return "".join(spelled)


@dataclass(frozen=True)
class File:
    """A file of data; ``path`` is its address."""

    path: str
    folder: str
    nested: bool


class Source:
    """The data of one input: finds the partitions that exist and reads them as one frame."""

    def __init__(self, spark: SparkSession, alias: str, described: Mapping[str, Any]) -> None:
        self.spark = spark
        self.alias = alias
        self.format = Format.of(described)
        self.completion = frozenset(described.get("completion", ()))
        self.markers = rheo_formats.markers(self.completion, self.format.format)
        self.keys: Sequence[str] = described.get("keys", ())
        self.described = described
        self._codec_factory: Any = None
        self._loaded: list[File] = []

    def read(self, paths: Sequence[str]) -> DataFrame:
        """Return one frame of the partitions that exist. The first is the tip: announced, or asked for."""
        tables = [path for path in paths if path.startswith("catalog://")]
        folders = [path for path in paths if path not in tables]
        found = self._existing(folders)
        if not tables and not any(found.values()):
            return self._nothing(paths, list(found))
        parts = list(found.values()) if self.keys else [[file for each in found.values() for file in each]]
        loaded = [frame for files in parts if files and (frame := self.load(files)) is not None]
        frames = [*(self._table(path) for path in tables), *loaded]
        if not frames:
            return self._nothing(paths, list(found))
        return latest(frames, self.keys) if self.keys else union(frames)

    def is_there(self, paths: Sequence[str]) -> bool:
        """Say whether any of these partitions has data; of the catalog's it is taken for granted."""
        folders = [path for path in paths if not path.startswith("catalog://")]
        return len(folders) < len(paths) or any(self._existing(folders).values())

    def empty(self) -> DataFrame:
        """Return a frame without rows, with the declared columns and those of the partition."""
        columns = [f"{_null(kind)} AS {_quoted(name)}" for name, kind in self.format.declared]
        frame = self.spark.range(0).selectExpr(*columns, f"'' AS {_FILE}")
        return self._located(frame).drop(_FILE)

    def load(self, files: Sequence[File]) -> DataFrame | None:
        """Return the rows of files, with the columns that the declaration gives them.

        None for files without a record where none are declared: nobody knows their columns.
        """
        self._loaded += files
        try:
            return self._load(files)
        except Exception as fault:
            if (named := self.named(fault)) is None:
                raise
            raise named from fault

    def _load(self, files: Sequence[File]) -> DataFrame | None:
        match self.format.format:
            case "CSV":
                frame = self._csv(files)
            case "JSON":
                frame = self._json(files)
            case _:
                frame = self._columnar(files)
        known = self.format.declared or frame.columns != [_FILE]
        return self._located(frame).drop(_FILE) if known else None

    def named(self, fault: Exception) -> FormatError | None:
        """Return the error that names the file which Spark could not read; None for any other fault.

        Spark reads when a result is asked for, and says of no record in which file it stands: the halves are read again.
        """
        said, files = str(fault), list(self._loaded)
        if rheo_formats.broken("", self.format, said) is None or not self._fails(files):
            return None
        while len(files) > 1:
            half = files[: len(files) // 2]
            files = half if self._fails(half) else files[len(half) :]
        return rheo_formats.broken(files[0].path, self.format, said)

    def _fails(self, files: Sequence[File]) -> bool:
        """Say whether files cannot be read."""
        try:
            frame = self._load(files) if files else None
            if frame is not None:
                frame.write.format("noop").mode("overwrite").save()
        except Exception:  # noqa: BLE001 - Spark raises what it likes
            return True
        return False

    def listed(self, path: str) -> bool:
        """Say whether a folder has a file of data."""
        return bool(self._list(path)[0])

    # --- which partitions exist ---

    def _existing(self, paths: Sequence[str]) -> dict[str, list[File]]:
        """The partitions that were announced, each with its files; one may have none."""
        listed = dict(zip(paths, _each(self._list, paths), strict=True))
        found: dict[str, list[File]] = {}
        for number, path in enumerate(paths):
            files, names = listed[path]
            marked = rheo_formats.complete(names, self.completion)
            if (files or marked) if not number or not self.completion else marked:
                found[path] = files
        return found

    def _list(self, path: str) -> tuple[list[File], set[str]]:
        """The files of data in a folder, and the names of all objects that stand in it."""
        folder, system = _place(self.spark, path)
        found = _list_files(system, folder)
        root = system.makeQualified(folder).toString() if found else ""
        if [address for address, _ in found] == [root]:  # the path of an object is its own only file
            return [File(path, path, False)], {ITSELF}
        files, names = [], set()
        for address, length in found:
            inside = address.removeprefix(f"{root}/").split("/")
            if len(inside) == 1:
                names.add(inside[0])
            if rheo_formats.is_data("/".join(inside), length, self.markers):
                files.append(File(address, path, len(inside) > 1))
        return sorted(files, key=lambda file: file.path), names

    def _nothing(self, paths: Sequence[str], empty: Sequence[str]) -> DataFrame:
        """What an input without a file of data is: an empty frame where its columns are declared."""
        if empty and self.format.declared:
            return self.empty()
        looked = f"no partition of {self.alias!r} exists; looked for {', '.join(paths)}"
        if empty:
            raise FileNotFoundError(
                f"{looked}; announced, but empty: {', '.join(empty)}; declare a schema where {self.alias!r} is "
                'declared to read no rows: schema="id string, price double"'
            )
        raise FileNotFoundError(looked)

    def _heads(self, files: Sequence[File]) -> list[bytes]:
        """The first bytes of each file, unpacked."""
        return _each(self._head, files)

    def _head(self, file: File) -> bytes:
        place, system = _place(self.spark, file.path)
        codec = self._codecs().getCodec(place)
        stream = system.open(place)
        try:
            unpacked = stream if codec is None else codec.createInputStream(stream)
            jvm = self.spark._jvm
            bounded = _java(jvm, "org.apache.commons.io.input.BoundedInputStream")(
                unpacked, rheo_formats.HEAD
            )
            head: bytes = _java(jvm, "org.apache.commons.io.IOUtils").toByteArray(bounded)
            return head
        finally:
            stream.close()

    def _codecs(self) -> Any:
        if self._codec_factory is None:
            hadoop = self.spark.sparkContext._jsc.hadoopConfiguration()
            factory = _java(self.spark._jvm, "org.apache.hadoop.io.compress.CompressionCodecFactory")
            self._codec_factory = factory(hadoop)
        return self._codec_factory

    # --- formats ---

    def _reader(self, files: Sequence[File], **options: str) -> DataFrame:
        """Files as Spark reads them, each row with the file that it is from."""
        if any(file.nested for file in files) and not any(
            "=" in file.path[len(file.folder) :] for file in files
        ):
            options["recursiveFileLookup"] = "true"
        reader = self.spark.read.format(self.format.format.lower()).options(**options)
        if "schema" in options:
            reader = reader.schema(options.pop("schema"))
        return self._with_file(reader.load([_literal(file.path) for file in files]), self._decoded())

    def _decoded(self) -> str:
        """The SQL of the file of a row as its address is spelled: Spark gives it as an URL."""
        url = "replace(_metadata.file_path, '+', '%2B')"  # which a URL's query alone has for a space
        if tuple(map(int, self.spark.version.split(".")[:2])) >= (3, 4):
            return f"url_decode({url})"
        return f"reflect('java.net.URLDecoder', 'decode', {url}, 'UTF-8')"

    def _with_file(self, frame: DataFrame, expression: str) -> DataFrame:
        return frame.selectExpr("*", f"{expression} AS {_FILE}")

    def _csv(self, files: Sequence[File]) -> DataFrame:
        """Files of one header are read together; what they have is merged by name."""
        groups: dict[tuple[Any, ...], list[File]] = {}
        first: tuple[list[str], str] | None = None
        for file, head in zip(files, self._heads(files), strict=True):
            header = rheo_formats.header_of(head, self.format, file.path)
            if not header:
                continue
            encoding = rheo_formats.encoding_of(head, self.format, file.path)
            columns = rheo_formats.layout(header, self.format, file.path)
            first = first or ([name for name, _ in columns], file.path)
            rheo_formats.same_columns([name for name, _ in columns], file.path, *first, format=self.format)
            width = len(header), rheo_formats.named(header, self.format, file.path)
            # Spark goes on where bytes are none of the encoding; what has such a character by right may have more.
            whole = rheo_formats.LOST not in rheo_formats.decoded(head, self.format, file.path)
            groups.setdefault((encoding, whole, *width, tuple(columns)), []).append(file)
        if not groups:
            return self._with_file(self.empty(), "''")
        frames = [self._csv_group(group, *key) for key, group in groups.items()]
        merged = union(frames)
        return merged if self.format.declared else self._inferred(merged)

    def _csv_group(
        self,
        files: Sequence[File],
        encoding: str,
        whole: bool,
        width: int,
        named: int,
        columns: Sequence[tuple[str, int | None]],
    ) -> DataFrame:
        charset = java_charset(encoding)
        if charset not in _STANDARD:
            self.spark.conf.set("spark.sql.legacy.javaCharsets", "true")
        schema = ", ".join(f"`{name}` string" for name in _fields(width))
        read = self._reader(files, schema=schema, **{**csv_options(self.format), "encoding": charset})
        if encoding == "utf-8-sig" and not self.format.header:
            first, *others = read.columns
            read = read.selectExpr(
                f"regexp_replace({first}, '^\ufeff', '') AS {first}", *map(_quoted, others)
            )
        kinds = dict(self.format.declared)
        chosen = [
            (
                _null(kinds.get(name, "string"))
                if at is None
                else field(f"c{at}", name, kinds.get(name), self.format, whole)
            )
            + f" AS {_quoted(name)}"
            for name, at in columns
        ]
        discovered = [f"`{name}`" for name in read.columns if name not in (*_fields(width), _FILE)]
        return read.where(no_more(width, named)).selectExpr(*chosen, *discovered, _FILE)

    def _inferred(self, frame: DataFrame) -> DataFrame:
        """Texts as numbers and truth values where all of a column are some; none with a leading zero is."""
        from pyspark.sql import functions as f

        names = [name for name, kind in frame.dtypes if kind == "string" and name != _FILE]
        patterns = rheo_formats.INFERRED
        tests = [
            f.min(f.col(_quoted(name)).rlike(f"^(?:{pattern})$").cast("int")).alias(f"{kind}{number}")
            for number, name in enumerate(names)
            for kind, pattern in patterns.items()
        ]
        if not tests:
            return frame
        found = frame.agg(*tests).first()
        assert found is not None
        kinds = {
            name: next((kind for kind in patterns if found[f"{kind}{number}"] == 1), "string")
            for number, name in enumerate(names)
        }
        return frame.select(*(f.col(_quoted(n)).cast(kinds.get(n, k)).alias(n) for n, k in frame.dtypes))

    def _json(self, files: Sequence[File]) -> DataFrame:
        declared = self.format.declared
        groups: dict[tuple[bool, str, tuple[str, ...]], list[File]] = {}
        for file, head in zip(files, self._heads(files), strict=True):
            text = rheo_formats.decoded(head, self.format, file.path)
            encoding = rheo_formats.encoding_of(head, self.format, file.path)
            lines = rheo_formats.json_is_lines(text)
            if lines and java_charset(encoding) in ("UTF-16", "UTF-32"):
                raise FormatError(
                    f"{file.path} is written in {encoding}, in which Spark reads no JSON of a line an object",
                    "let it be written in utf-8",
                )
            rheo_formats.same_case(self.format, text, file.path)
            key = lines, encoding, self._spelled(rheo_formats.json_names(text), file.path)
            groups.setdefault(key, []).append(file)
        frames = []
        for (lines, encoding, spelled), group in groups.items():
            options = {"multiLine": str(not lines).lower(), "mode": "FAILFAST"}
            if java_charset(encoding) != "UTF-8":
                options["encoding"] = java_charset(encoding)
            options |= times(self.format)
            if self.format.columns == rheo_formats.STRICT:
                for file in group:
                    names = [n for n in self._reader([file], **options).columns if n != _FILE]
                    rheo_formats.placed(names, self.format, file.path)
            if self.format.schema is None:
                frames.append(self._reader(group, **options))
                continue
            columns = zip(spelled, declared, strict=True)
            options["schema"] = ", ".join(f"{_quoted(name)} {kind}" for name, (_, kind) in columns)
            frame = self._reader(group, **options)
            for has, (name, _) in zip(spelled, declared, strict=True):
                frame = frame.withColumnRenamed(has, name) if has != name else frame
            frames.append(frame)
        return union(frames)

    def _spelled(self, names: Sequence[str], file: str) -> tuple[str, ...]:
        """The declared columns as a file spells them: Spark finds a name of JSON only in its own case."""
        spelled = []
        for name, _ in self.format.declared:
            found = [each for each in names if each.lower() == name.lower()]
            if len(found) > 1:
                raise FormatError(
                    f"{file} spells the column {name!r} in several ways: {', '.join(found)}",
                    "Spark finds a name of JSON in one alone: let it be written in one",
                )
            spelled.append(found[0] if found else name)
        return tuple(spelled)

    def _columnar(self, files: Sequence[File]) -> DataFrame:
        """Parquet and ORC, merged by name; a column that has two types in two files takes the wider one."""
        if self.format.declared and self.format.strict:
            for folder, group in _folders(files).items():
                names = [name for name in self._merged(group).columns if name != _FILE]
                rheo_formats.placed(names, self.format, folder)
        return self._conforming(self._merged(files))

    def _merged(self, files: Sequence[File]) -> DataFrame:
        try:
            return self._reader(files, mergeSchema="true")
        except Exception as fault:  # Spark merges no two types, whatever it calls that; a union does
            if len(files) == 1:
                if "TIMESTAMP(NANOS" in str(fault):
                    raise FormatError(
                        f"{files[0].path} has times in nanoseconds, which Spark does not read",
                        "let them be written in microseconds: to_parquet(..., coerce_timestamps='us')",
                    ) from fault
                raise
            folders = _folders(files)
            parts = folders.values() if len(folders) > 1 else [[file] for file in files]
            return union([self._merged(part) for part in parts])

    def _conforming(self, frame: DataFrame) -> DataFrame:
        """The declared columns of a frame, in their types."""
        if not self.format.declared:
            return frame
        have = dict(frame.dtypes)
        names = [name for name in frame.columns if name != _FILE]
        chosen = []
        for (name, kind), (_, at) in zip(
            self.format.declared,
            rheo_formats.placed(names, self.format, self.alias),
            strict=True,
        ):
            if at is None:
                column = _null(kind)
            elif _same(have[names[at]], kind):
                # As it stands, so that Spark reads no more than a query asks for.
                column = f"CAST({_quoted(names[at])} AS {kind_of(kind)})"
            else:
                column = as_kind(_quoted(names[at]), name, kind)
            chosen.append(f"{column} AS {_quoted(name)}")
        return frame.selectExpr(*chosen, _FILE)

    # --- where a row comes from ---

    def _located(self, frame: DataFrame) -> DataFrame:
        """A frame with the dimensions of its partitions as columns, where the data has none of that name."""
        have = {name.lower() for name in frame.columns}
        columns = [
            f"{sql} AS {_quoted(name)}" for name, sql in located(self.described) if name.lower() not in have
        ]
        return frame.selectExpr("*", *columns) if columns else frame

    def _table(self, path: str) -> DataFrame:
        """A partition of a table of the catalog: ``catalog://database/table/key=value``."""
        from pyspark.sql import functions as f

        database, table, *keys = path.removeprefix("catalog://").split("/")
        frame = self.spark.table(f"`{database}`.`{table}`")
        for name, _, value in (key.partition("=") for key in keys):
            frame = frame.where(f.col(name).cast("string") == value)
        return frame


def _folders(files: Sequence[File]) -> dict[str, list[File]]:
    """The files of each partition."""
    folders: dict[str, list[File]] = {}
    for file in files:
        folders.setdefault(file.folder, []).append(file)
    return folders


def _each(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Do some work for each item, several at a time where there are several."""
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(work, items))


def _list_files(system: Any, folder: Any) -> list[tuple[str, int]]:
    """All files below a folder, by address and length; none where there is no such folder.

    One list: to ask first whether it is there takes two more requests of S3.
    """
    found = []
    try:
        entries = system.listFiles(folder, True)
        while entries.hasNext():
            entry = entries.next()
            found.append((entry.getPath().toString(), entry.getLen()))
    except Exception as fault:
        if _java_kind(fault) != "java.io.FileNotFoundException":
            raise
    return found


def _java_kind(fault: Exception) -> str:
    """The class of what Java raised; empty for what it did not raise."""
    thrown = getattr(fault, "java_exception", None)
    return "" if thrown is None else str(thrown.getClass().getName())


def _literal(path: str) -> str:
    """A path as it is: Hadoop reads these characters as patterns."""
    return re.sub(r"([\\{}\[\]*?])", r"\\\1", path)


def _fields(width: int) -> list[str]:
    return [f"c{number}" for number in range(width + rheo_formats.MORE)]


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def kind_of(kind: str) -> str:
    """Return a type as a cast takes it: texts have no length."""
    return "string" if rheo_formats.simple(kind) == "string" else kind


def _same(one: str, other: str) -> bool:
    """Whether two types are one, in whatever spelling.

    >>> _same("bigint", "LONG"), _same("decimal(10,2)", "decimal(10, 2)"), _same("decimal(10,2)", "decimal(5,2)")
    (True, True, False)
    """
    if rheo_formats.simple(one) != "decimal":
        return rheo_formats.simple(one) == rheo_formats.simple(other)
    sizes = ([*re.findall("[0-9]+", kind), "0"][:2] for kind in (one, other))
    return rheo_formats.simple(other) == "decimal" and len(set(map(tuple, sizes))) == 1


def _null(kind: str) -> str:
    return f"CAST(NULL AS {kind_of(kind)})"


def csv_options(format: Format) -> dict[str, str]:
    """Return Spark's options for reading CSV as texts, all but the encoding."""
    return {
        "header": str(format.header).lower(),
        "sep": format.delimiter,
        "quote": format.quote,
        "escape": format.escape or format.quote,
        "nullValue": _NO_TEXT,
        "emptyValue": "",
        "multiLine": str(format.multiline).lower(),
        "unescapedQuoteHandling": "RAISE_ERROR",
    }


def located(described: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return name and SQL of each dimension of a partition, of the address of a file that lies in it."""
    address, dimensions = rheo_formats.addressed(described)
    pattern = _sql_text(address)
    found = []
    for name, kind, pieces, formats in dimensions:
        parts = (
            f"regexp_extract({_FILE}, {pattern}, {piece})" if isinstance(piece, int) else _sql_text(piece)
            for piece in pieces
        )
        sql = f"concat({', '.join(parts)})"
        if formats:
            made, written = (_sql_text(java_pattern(format, _READ)) for format in formats)
            sql = f"date_format(to_timestamp({sql}, {made}), {written})"
        found.append((name, f"CAST({sql} AS {'bigint' if kind == 'LONG' else 'string'})"))
    return found


def field(column: str, name: str, kind: str | None, format: Format, whole: bool = True) -> str:
    """Return the SQL of a field of CSV as its type; without a declared one as its text.

    ``whole`` says that a text with the character for bytes that are none of the encoding is an error.
    """
    text = column if "" in format.nulls else f"coalesce({column}, '')"
    if format.nulls:
        nulls = ", ".join(map(_sql_text, format.nulls))
        text = f"CASE WHEN {text} IN ({nulls}) THEN NULL ELSE {text} END"
    if kind is None or rheo_formats.simple(kind) == "string":
        if not whole:
            return text
        said = f"concat({_FILE}, {_sql_text(str(rheo_formats.lost('', format)))})"
        lost = _sql_text(rheo_formats.LOST)
        return f"CASE WHEN instr({text}, {lost}) > 0 THEN {_raised(said, 'string')} ELSE {text} END"
    trimmed = f"trim(BOTH {_sql_text(rheo_formats.BLANKS)} FROM {column})"
    return _checked(text, _parsed(trimmed, name, kind, format), name, kind)


def no_more(width: int, named: int) -> str:
    """Return the SQL that is true of a record that ends with its ``named`` fields, and else ends the run."""
    said = f"concat({_FILE}, {_sql_text(str(rheo_formats.too_long('', named)))})"
    more = ", ".join(_fields(width)[named:])
    return f"CASE WHEN trim(concat_ws('', {more})) = '' THEN true ELSE {_raised(said, 'boolean')} END"


def as_kind(column: str, name: str, kind: str) -> str:
    """Return the SQL of a column that has a type, as the declared one; a value that is none ends the run."""
    word = rheo_formats.simple(kind)
    if word in ("array", "map", "struct", "binary"):
        return f"CAST({column} AS {kind_of(kind)})"
    whole = f"CASE WHEN try_cast({column} AS double) % 1 = 0 THEN {column} END"  # a cast leaves fractions out
    return _checked(column, whole if word in rheo_formats.INTEGERS else column, name, kind)


def _checked(text: str, parsed: str, name: str, kind: str) -> str:
    """The SQL of a value that is read as its type; one that cannot be ends the run, by its file."""
    before, _, after = str(rheo_formats.unreadable("\0", kind, name, "")).partition(repr("\0"))
    said = f"""concat({_FILE}, {_sql_text(f"{before}'")}, CAST({text} AS string), {_sql_text(f"'{after}")})"""
    value = f"coalesce(try_cast({parsed} AS {kind_of(kind)}), {_raised(said, kind)})"
    return f"CASE WHEN {text} IS NOT NULL THEN {value} END"


def _parsed(text: str, name: str, kind: str, format: Format) -> str:
    """The SQL of what a text says, as a cast takes it."""
    word = rheo_formats.simple(kind)
    if word in ("array", "map", "struct", "binary"):
        raise FormatError(f"the column {name!r} of CSV cannot be {kind}", "declare it as string")
    if word in rheo_formats.INTEGERS:
        return f"regexp_extract({text}, '^([+-]?[0-9]+)(?:[.]0*)?$', 1)"
    if word == "boolean":
        return f"lower({text})"
    written = format.date_format if word == "date" else format.timestamp_format
    if word in ("date", "timestamp", "timestamp_ntz") and written is not None:
        pattern, iso = map(_sql_text, rheo_formats.time_pattern(written))
        return f"CASE WHEN {text} RLIKE {pattern} THEN regexp_replace({text}, {pattern}, {iso}) END"
    if word in rheo_formats.TEXTS:
        whole = f"substr({text}, 1, 10)" if word == "date" else text
        return f"CASE WHEN {text} RLIKE {_sql_text(f'^(?:{rheo_formats.TEXTS[word]})$')} THEN {whole} END"
    return text


def _raised(said: str, kind: str) -> str:
    return f"CAST(raise_error({said}) AS {kind_of(kind)})"


def _sql_text(text: str) -> str:
    """A text as SQL spells it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def union(frames: Sequence[DataFrame]) -> DataFrame:
    """Return the rows of all frames as one; a column that one of them lacks is null there."""
    return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), frames)


def latest(frames: Sequence[DataFrame], keys: Sequence[str]) -> DataFrame:
    """Of rows with the same keys, keep one: that of the first frame which has it, the latest partition."""
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    ranked = [frame.withColumn("rheo_rank", f.lit(rank)) for rank, frame in enumerate(frames)]
    order = Window.partitionBy(*keys).orderBy("rheo_rank")
    rows = union(ranked).withColumn("rheo_row", f.row_number().over(order))
    return rows.where("rheo_row = 1").drop("rheo_rank", "rheo_row")


# --- checks ---

SHOWN = 300  # characters of an example


def check_name(check: Mapping[str, Any]) -> str:
    """Return a check as one would write it.

    >>> check_name({"kind": "in_range", "columns": ["price"], "low": 0, "high": None})
    'in_range(price, 0, None)'
    >>> check_name({"kind": "row_count", "low": 1, "high": None}), check_name({"kind": "function", "entry": "cheap"})
    ('row_count(1, None)', 'cheap')
    """
    match check["kind"]:
        case "function" | "pandera":
            return str(check["entry"])
        case "sql":
            return f"sql({' '.join(check['text'].split())!r})"
    bounds = [str(check[key]) for key in ("low", "high") if key in check]
    return f"{check['kind']}({', '.join([*check.get('columns', ()), *bounds])})"


def result(
    spark: SparkSession,
    frame: DataFrame,
    check: Mapping[str, Any],
    functions: Mapping[str, Callable[..., Any]],
) -> dict[str, Any]:
    """Return what a check finds: ``check``, ``severity``, ``passed``, ``rows``, ``example`` and ``what`` it says."""
    try:
        rows, example, what = _found(spark, frame, check, functions)
    except AssertionError as fault:
        rows, example, what = 1, "", str(fault) or "the assertion does not hold"
    except Exception as fault:  # noqa: BLE001 - a check that cannot be made is one that fails
        rows, example, what = (
            1,
            "",
            f"{type(fault).__name__}: {(str(fault).strip().splitlines() or ['without a word'])[0][:SHOWN]}",
        )
    if rows and not what:
        what = f"{rows} row{'s' if rows != 1 else ''}" + (f", such as {example}" if example else "")
    name = check_name(check)
    return {"check": name, "severity": check.get("severity", "block"), "passed": not rows, "rows": rows,
            "example": example, "what": what}  # fmt: skip


def _found(
    spark: SparkSession,
    frame: DataFrame,
    check: Mapping[str, Any],
    functions: Mapping[str, Callable[..., Any]],
) -> tuple[int, str, str]:
    """How many rows are wrong, one of them, and what there is to say beyond that."""
    from pyspark.sql import functions as f

    columns, low, high = check.get("columns", ()), check.get("low"), check.get("high")
    match check["kind"]:
        case "row_count":
            count = frame.count()
            good = (low is None or count >= low) and (high is None or count <= high)
            return 0 if good else max(count, 1), "", "" if good else f"{count} row{'s' if count != 1 else ''}"
        case "not_null":
            return _wrong(
                frame.where(reduce(lambda a, b: a | b, (f.col(_quoted(c)).isNull() for c in columns)))
            )
        case "unique":
            keys = [f.col(_quoted(column)) for column in columns]
            taken, counted = {column.lower() for column in columns}, "count"
            while counted in taken:
                counted += "_"
            return _wrong(
                frame.groupBy(*keys).agg(f.count(f.lit(1)).alias(counted)).where(f.col(counted) > 1)
            )
        case "in_range":
            outside = [f.col(_quoted(c)) < low for c in columns if low is not None]
            outside += [f.col(_quoted(c)) > high for c in columns if high is not None]
            if any(isinstance(bound, (int, float)) for bound in (low, high)):
                # A text that is no number is null for a comparison, which is neither in the range nor out of it.
                texts = [name for name, kind in frame.dtypes if kind == "string" and name in columns]
                outside += [
                    f.col(_quoted(c)).isNotNull() & f.expr(f"try_cast({_quoted(c)} AS double)").isNull()
                    for c in texts
                ]
            return _wrong(frame.where(reduce(lambda a, b: a | b, outside)))
        case "sql":
            return _wrong(spark.sql(check["text"]))
        case "pandera":
            return _refused(functions[check["entry"]], frame)
    said = functions[check["entry"]](frame)
    if _is_frame(said):
        return _wrong(said)
    return (0, "", "") if said is None or bool(said) else (1, "", f"it returns {said!r}")


def _refused(schema: Any, frame: DataFrame) -> tuple[int, str, str]:
    """How many rows a schema of Pandera refuses, and the first value with what it fails."""
    try:
        schema.validate(frame.toPandas(), lazy=True)
    except Exception as fault:
        cases = getattr(fault, "failure_cases", None)  # of its SchemaErrors alone
        if cases is None:
            raise
        first = cases.iloc[0]
        rows = int(cases["index"].nunique()) or len(cases)  # a column that is missing is no row's fault
        return rows, f"{first['column']}={first['failure_case']}: {first['check']}"[:SHOWN], ""
    return 0, "", ""


def _wrong(frame: DataFrame) -> tuple[int, str, str]:
    rows = frame.count()
    if not rows:
        return 0, "", ""
    first = frame.first()
    assert first is not None
    return rows, ", ".join(f"{k}={v}" for k, v in first.asDict().items())[:SHOWN], ""
