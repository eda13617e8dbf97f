"""Scala task -> the script of its Glue job: what reads and writes, around the user's code as it stands there."""

from __future__ import annotations

import json
import re

from codegen import plan as p

_IMPORTS = (
    "import com.fasterxml.jackson.databind.{JsonNode, ObjectMapper}",
    "import org.apache.hadoop.fs.Path",
    "import org.apache.spark.sql.{DataFrame, Dataset, SparkSession}",
    "import org.apache.spark.sql.expressions.Window",
    "import org.apache.spark.sql.functions._",
    "import scala.collection.JavaConverters._",
)
# Around the user's code: rheo_airflow.tasks.places finds the lines by them.
BEGIN = "// --- the application's code, as it stands there ---"
END = "// --- the end of the application's code ---"
# Names that the code may use beside its inputs.
_OFFERED = "spark: SparkSession, inputs: Map[String, DataFrame], dimensions: Map[String, String], args: Map[String, String]"

_MAIN = """\
object GlueApp {
  val spark: SparkSession = SparkSession.builder.getOrCreate()

  case class Input(
      format: String, options: Map[String, String], schema: Option[String], completion: Set[String], keys: Seq[String])

@INPUTS@

  /** Whether a folder has data, and one of the objects that say it is finished (none: any data is). */
  def complete(path: String, names: Set[String]): Boolean = {
    val folder = new Path(path)
    val files = folder.getFileSystem(spark.sparkContext.hadoopConfiguration)
    if (!files.exists(folder)) return false
    if (files.getFileStatus(folder).isFile) return true
    val found = files.listStatus(folder).map(_.getPath.getName).toSet
    found.exists(name => !name.startsWith("_") && !name.startsWith(".")) && (names.isEmpty || names.exists(mark => found.exists(like(mark, _))))
  }

  /** Whether a name is one, or of a pattern: * stands for any text, ? for a character. */
  def like(mark: String, name: String): Boolean =
    name.matches(mark.split("(?<=[*?])|(?=[*?])").map { case "*" => ".*"; case "?" => "."; case text => java.util.regex.Pattern.quote(text) }.mkString)

  /** One frame of the partitions that exist. The first is the tip: it was announced, or asked for. */
  def read(alias: String, paths: Seq[String]): DataFrame = {
    val source = sources(alias)
    val found = paths.zipWithIndex.collect {
      case (path, _) if path.startsWith("catalog://") => path
      case (path, n) if complete(path, if (n == 0) Set.empty[String] else source.completion) => path
    }
    if (found.isEmpty)
      throw new java.io.FileNotFoundException(s"no partition of '$alias' exists; looked for ${paths.mkString(", ")}")
    val frames = found.map(partition(source, _))
    if (source.keys.isEmpty) frames.reduce(_ unionByName _) else latest(frames, source.keys)
  }

  /** One partition; catalog://database/table/key=value is one of a table of the catalog. */
  def partition(source: Input, path: String): DataFrame =
    if (path.startsWith("catalog://")) {
      val Array(database, table, keys @ _*) = path.stripPrefix("catalog://").split("/")
      keys.map(_.split("=", 2)).foldLeft(spark.table(s"`$database`.`$table`")) {
        (frame, key) => frame.where(col(key(0)).cast("string") === key(1))
      }
    } else {
      val reader = spark.read.format(source.format).options(source.options)
      source.schema.fold(reader)(reader.schema(_)).load(path)
    }

  /** Of rows with the same keys one: that of the first frame which has it, the latest partition. */
  def latest(frames: Seq[DataFrame], keys: Seq[String]): DataFrame = {
    val ranked = frames.zipWithIndex.map { case (frame, rank) => frame.withColumn("rheo_rank", lit(rank)) }
    val order = Window.partitionBy(keys.map(col(_)): _*).orderBy("rheo_rank")
    val rows = ranked.reduce(_ unionByName _).withColumn("rheo_row", row_number().over(order))
    rows.where("rheo_row = 1").drop("rheo_rank", "rheo_row")
  }

  /** Write to a folder; where that is one beside the partition, an object in it says that all is written. */
  def write(output: Any, path: String, staged: Boolean): Unit = output match {
@WRITE@
  }

  def main(words: Array[String]): Unit = {
    val options = words.sliding(2).collect { case Array(name, value) if name.startsWith("--") => name.drop(2) -> value }.toMap
    val given = options("execution")
    // A document that is too large for an argument is given by its address.
    val text = if (given.startsWith("s3://")) spark.read.option("wholetext", true).text(given).first.getString(0) else given
    val execution = new ObjectMapper().readTree(text)
    def texts(node: JsonNode): Map[String, String] = node.fields.asScala.map(e => e.getKey -> e.getValue.asText).toMap
    val frames = execution.get("inputs").elements.asScala.toSeq.collect {
      case entry if sources.contains(entry.get("alias").asText) =>
        val alias = entry.get("alias").asText
        val frame = read(alias, entry.get("paths").elements.asScala.map(_.asText).toSeq)
        frame.createOrReplaceTempView(alias)
        alias -> frame
    }.toMap
    val dimensions = texts(execution.get("output").get("dimensions"))
    val args = Seq[String](@ARGS@).map(name => name -> options(name)).toMap
    // Beside the partition, where the run takes it over when it publishes; the old one stays until then.
    val staged = Option(execution.get("output").get("staged")).filterNot(_.isNull).map(_.asText)
    val path = staged.getOrElse(execution.get("output").get("path").asText)
    write(Code.compute(spark, frames, dimensions, args@FRAMES@), path, staged.isDefined)
  }
}
"""


def scala_script(dag: p.DagPlan, task: p.ScriptTask) -> str:
    """Return the text of the Scala script of one target of a node.

    The code is the body of a function: its last expression is the output, or the value that it names so. No
    line of the script depends on where the code stands in the user's file.
    """
    frames = [i.alias for n, i in enumerate(dag.inputs) if i.readable for _ in _names(n, i)]
    names = [name for n, i in enumerate(dag.inputs) if i.readable for name in _names(n, i)]
    parameters = ", ".join([_OFFERED, *(f"`{name}`: DataFrame" for name in names)])
    head = [
        f"// Spark job of {dag.node}.",
        "// Generated by Rheo: change the application and compile again.",
        "",
        *_IMPORTS,
        "",
        "object Code {",
        f"  def compute({parameters}): Any = {{",
        "    import spark.implicits._",
        BEGIN,
        *task.code.text.strip("\n").rstrip().split("\n"),
        END,
    ]
    named = re.search(r"(?m)^\s*va[lr]\s+output\b", task.code.text) is not None
    main = (
        _MAIN.replace("@INPUTS@", _sources(dag))
        .replace("@WRITE@", _writing(dag, task))
        .replace("@ARGS@", ", ".join(_text(name) for name, _ in task.args))
        .replace("@FRAMES@", "".join(f", frames({_text(alias)})" for alias in frames))
    )
    return "\n".join([*head, *(["    output"] if named else []), "  }", "}", "", main])


def _names(number: int, i: p.Input) -> list[str]:
    """What a frame is called: by its alias and its number."""
    return list(dict.fromkeys([i.alias, f"input{number}"]))


def _sources(dag: p.DagPlan) -> str:
    lines = []
    for i in dag.inputs:
        if not i.readable:
            continue
        options = {}
        if i.format.format == "CSV":
            options = {"header": str(i.format.header).lower(), "sep": i.format.delimiter}
            options |= {} if i.format.schema else {"inferSchema": "true"}
        schema = f"Some({_text(i.format.schema)})" if i.format.schema else "None"
        completion, keys = (", ".join(map(_text, names)) for names in (i.marks, i.primary_keys))
        lines.append(
            f"    {_text(i.alias)} -> Input({_text(i.format.format.lower())}, {_map(options)}, {schema}, Set({completion}), Seq({keys}))"
        )
    return "\n".join(["  val sources: Map[String, Input] = Map(", ",\n".join(lines), "  )"])


def _writing(dag: p.DagPlan, task: p.ScriptTask) -> str:
    if not task.writes:
        return (
            "    case _: Dataset[_] =>\n"
            f"      throw new IllegalStateException({_text(f'{dag.node}: only the first Spark compute of a node writes its output')})\n"
            "    case _ => ()"
        )
    options: dict[str, str] = {}
    if dag.format.format == "CSV":
        options = {"header": str(dag.format.header).lower(), "sep": dag.format.delimiter}
    return (
        "    case frame: Dataset[_] =>\n"
        f'      frame.write.mode("overwrite").format({_text(dag.format.format.lower())}).options({_map(options)})\n'
        '        .option("mapreduce.fileoutputcommitter.marksuccessfuljobs", staged.toString).save(path)\n'
        "    case other =>\n"
        f"      throw new IllegalArgumentException({_text(f'{dag.node}: the last expression is no DataFrame but ')} + other)"
    )


def _map(options: dict[str, str]) -> str:
    return (
        f"Map[String, String]({', '.join(f'{_text(k)} -> {_text(v)}' for k, v in sorted(options.items()))})"
    )


def _text(value: str) -> str:
    """A string of Scala: JSON's escapes are Scala's."""
    return json.dumps(value)
