"""Scala task -> the script of its Glue job: what reads and writes, around the user's code as it stands there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import rheo_formats
import rheo_spark
from codegen import check_sql, spark_script
from codegen import plan as p
from rheo_formats import STRICT, Format
from rheodsl.texts import SCALA_OUTPUT

_IMPORTS = (
    "import com.fasterxml.jackson.databind.{JsonNode, ObjectMapper}",
    "import com.univocity.parsers.csv.{CsvParser, CsvParserSettings}",
    "import java.nio.{ByteBuffer, CharBuffer}",
    "import java.nio.charset.Charset",
    "import org.apache.commons.io.IOUtils",
    "import org.apache.commons.io.input.BoundedInputStream",
    "import org.apache.hadoop.fs.{FileSystem, Path}",
    "import org.apache.hadoop.io.compress.CompressionCodecFactory",
    "import org.apache.spark.sql.{Column, DataFrame, Dataset, SparkSession}",
    "import org.apache.spark.sql.expressions.Window",
    "import org.apache.spark.sql.functions._",
    "import org.apache.spark.sql.types.{ArrayType, DataType, StructType}",
    "import scala.collection.JavaConverters._",
)
# Around the user's code: rheo_airflow.tasks.places finds the lines by them.
BEGIN = "// --- the application's code, as it stands there ---"
END = "// --- the end of the application's code ---"
_FIELD = "@field"  # stands for the field in the SQL of a value
# Names that the code may use beside its inputs.
_OFFERED = "spark: SparkSession, inputs: Map[String, DataFrame], dimensions: Map[String, String], args: Map[String, String]"

_MAIN = """\
object GlueApp {
  val spark: SparkSession = SparkSession.builder.getOrCreate()
  // The file that a row is from, while it is read.
  val FILE = "rheo_file"

  /** How an input reads: `columns` are the declared ones, name, type and SQL of a value, in which @field is the field. */
  case class Input(
      format: String, options: Map[String, String], columns: Seq[(String, String, String)], text: String, charset: String, header: Boolean,
      strict: Boolean, same: Boolean, completion: Seq[String], markers: Seq[String], keys: Seq[String], places: Seq[(String, String)])

@INPUTS@

  /** The files of data in a folder, and the names of all objects that stand in it. */
  def list(path: String, markers: Seq[String]): (Seq[String], Seq[String]) = {
    val (folder, system) = place(path)
    if (!system.exists(folder)) return (Nil, Nil)
    val status = system.getFileStatus(folder)
    if (status.isFile) return (Seq(path), Seq("."))
    val entries = system.listFiles(folder, true)
    val found = Iterator.continually(entries).takeWhile(_.hasNext).map(_.next).toList
    val inside = found.map(entry => entry -> entry.getPath.toString.stripPrefix(s"${status.getPath}/").split("/").toSeq)
    def hidden(name: String) = name.isEmpty || "_.".contains(name.head) || name.endsWith("_$folder$")
    val data = inside.collect {
      case (entry, folders :+ name) if entry.getLen > 0 && !hidden(name) && !markers.exists(name.matches(_))
          && folders.forall(each => !hidden(each) || each == "__HIVE_DEFAULT_PARTITION__") => entry.getPath.toString
    }
    (data.sorted, inside.collect { case (_, Seq(name)) => name })
  }

  def place(path: String): (Path, FileSystem) = {
    val found = new Path(path)
    (found, found.getFileSystem(spark.sparkContext.hadoopConfiguration))
  }

  /** One frame of the partitions that exist. The first is the tip: it was announced, or asked for.
    * Of an input that may be absent, and is, no rows where its columns are declared, else null. */
  def read(alias: String, paths: Seq[String], optional: Boolean = false): DataFrame = {
    val source = sources(alias)
    val found = paths.zipWithIndex.flatMap {
      case (path, _) if path.startsWith("catalog://") => Some(path -> Seq(path))
      case (path, number) =>
        val (files, names) = list(path, source.markers)
        val marked = names.exists(name => source.completion.exists(name.matches(_)))
        val there = if (number == 0 || source.completion.isEmpty) files.nonEmpty || marked else marked
        if (there) Some(path -> files) else None
    }
    val (tables, folders) = found.filter(_._2.nonEmpty).partition(_._1.startsWith("catalog://"))
    val parts = if (source.keys.nonEmpty) folders.map(_._2) else Seq(folders.flatMap(_._2)).filter(_.nonEmpty)
    // Of files without a record nobody knows the columns, where none are declared.
    loaded = loaded ++ parts.map(source -> _)
    val made = try parts.map(load(source, _)) catch { case fault: Exception => throw named(fault) }
    val known = made.filter(source.columns.nonEmpty || !_.columns.sameElements(Seq(FILE)))
    val frames = tables.map(each => table(each._1)) ++ known.map(located(source, _))
    if (frames.isEmpty) {
      if ((found.nonEmpty || optional) && source.columns.nonEmpty) return located(source, nothing(source))
      if (found.isEmpty && optional) return null
      val empty = if (found.isEmpty) "" else s"; announced, but empty: ${found.map(_._1).mkString(", ")}; declare a schema"
      throw new java.io.FileNotFoundException(s"no partition of '$alias' exists; looked for ${paths.mkString(", ")}$empty")
    }
    if (source.keys.isEmpty) union(frames) else latest(frames, source.keys)
  }

  /** A partition of a table of the catalog: catalog://database/table/key=value. */
  def table(path: String): DataFrame = {
    val Array(database, table, keys @ _*) = path.stripPrefix("catalog://").split("/")
    keys.map(_.split("=", 2)).foldLeft(spark.table(s"`$database`.`$table`")) {
      (frame, key) => frame.where(col(key(0)).cast("string") === key(1))
    }
  }

  def union(frames: Seq[DataFrame]): DataFrame = frames.reduce(_.unionByName(_, allowMissingColumns = true))

  /** No rows, with the declared columns. */
  def nothing(source: Input): DataFrame =
    spark.range(0).select(source.columns.map { case (name, kind, _) => expr(s"CAST(NULL AS $kind)").as(name) } :+ lit("").as(FILE): _*)

  /** The dimensions of each row's partition as columns, where the data has none of that name. */
  def located(source: Input, frame: DataFrame): DataFrame = {
    val more = source.places.filterNot { case (name, _) => frame.columns.exists(_.equalsIgnoreCase(name)) }
    frame.select(col("*") +: more.map { case (name, sql) => expr(sql).as(name) }: _*).drop(FILE)
  }

  // What was loaded: Spark reads when a result is asked for, and says of no record in which file it stands.
  var loaded = Seq.empty[(Input, Seq[String])]

  /** A failure, or the one that names the file which Spark could not read: the halves are read again. */
  def named(fault: Throwable): Throwable = {
    val said = Iterator.iterate(fault)(_.getCause).takeWhile(_ != null).map(_.toString).mkString(" ")
    val line = "line=([0-9]+)".r.findFirstMatchIn(said).map(_.group(1).toInt + 1)
    def what(source: Input) = source.format match {
      case "csv" if said.contains("TextParsingException") =>
        val where = line.filter(_ => source.options("multiLine") == "true").fold("")(n => s": line $n")
        Some(s"$where has text behind the quote that ends a quotation, or another record that is not as declared")
      case "json" if said.contains("Malformed records") || said.contains("JsonParseException") => Some(" is no JSON: it has a malformed record")
      case _ => None
    }
    def fails(source: Input, files: Seq[String]) =
      try { load(source, files).write.format("noop").mode("overwrite").save(); false } catch { case _: Exception => true }
    def broken(source: Input, files: Seq[String]): String =
      if (files.size < 2) files.head
      else { val (one, other) = files.splitAt(files.size / 2); broken(source, if (fails(source, one)) one else other) }
    loaded.collectFirst {
      case (source, files) if what(source).isDefined && fails(source, files) =>
        new IllegalArgumentException(broken(source, files) + what(source).get, fault)
    }.getOrElse(fault)
  }

  def load(source: Input, files: Seq[String]): DataFrame = source.format match {
    case "csv" => csv(source, files)
    case "json" =>
      val names = reader(source, files).columns.filter(_ != FILE).toSeq
      if (source.columns.isEmpty) return reader(source, files)
      val placed = positions(source, names, files.head)
      val has = reader(source, files).schema
      for (((name, kind, _), Some(n)) <- placed) sameCase(DataType.fromDDL(kind), has(n).dataType, name, names(n), files)
      val schema = placed.map { case ((name, kind, _), at) => s"`${at.fold(name)(names(_))}` $kind" }.mkString(", ")
      placed.foldLeft(reader(source, files, Some(schema))) { case (frame, ((name, _, _), at)) => at.fold(frame)(n => frame.withColumnRenamed(names(n), name)) }
    case _ =>
      // Spark merges no two types; a union does, and takes the wider one.
      val frame = try reader(source, files) catch { case _: Exception if files.size > 1 => union(files.map(file => reader(source, Seq(file)))) }
      if (source.columns.isEmpty) return frame
      val names = frame.columns.filter(_ != FILE).toSeq
      def quoted(n: Int) = "`" + names(n).replace("`", "``") + "`"
      // What has the type already is as it stands, so that Spark reads no more than a query asks for.
      val plain = positions(source, names, files.head).map {
        case ((name, kind, _), Some(n)) if frame.schema(n).dataType == DataType.fromDDL(kind) => ((name, kind, "@field"), Some(n))
        case other => other
      }
      frame.select(values(plain, quoted) :+ col(FILE): _*)
  }

  /** Fail for a name within a column that files have in another case: Spark would read null. */
  def sameCase(declared: DataType, has: DataType, path: String, found: String, files: Seq[String]): Unit = (declared, has) match {
    case (ArrayType(one, _), ArrayType(other, _)) => sameCase(one, other, path, found, files)
    case (one: StructType, other: StructType) =>
      for (field <- one; same <- other.find(_.name == field.name).orElse(other.find(_.name.equalsIgnoreCase(field.name)))) {
        val (told, as) = (s"$path.${field.name}", s"$found.${same.name}")
        sameCase(field.dataType, same.dataType, told, as, files)
        if (same.name != field.name)
          throw new IllegalArgumentException(s"${files.mkString(", ")} spells '$told' as '$as'; declare it so: what is nested in JSON is found in its own case")
      }
    case _ => ()
  }

  /** Files as Spark reads them, each row with the file that it is from, as its address is spelled. */
  def reader(source: Input, files: Seq[String], schema: Option[String] = None): DataFrame = {
    val options = spark.read.format(source.format).options(source.options).option("recursiveFileLookup", "true")
    val paths = files.map(_.replaceAll("([\\\\\\\\{}\\\\[\\\\]*?])", "\\\\\\\\$1"))
    schema.fold(options)(options.schema(_)).load(paths: _*)
      .withColumn(FILE, expr("reflect('java.net.URLDecoder', 'decode', replace(_metadata.file_path, '+', '%2B'), 'UTF-8')"))
  }

  /** The declared columns, and where a file has each: by its name as it is written, then without regard to case. */
  def positions(source: Input, names: Seq[String], file: String): Seq[((String, String, String), Option[Int])] = {
    val found = source.columns.map { column =>
      val exact = names.indexOf(column._1)
      column -> Some(if (exact >= 0) exact else names.indexWhere(_.equalsIgnoreCase(column._1))).filter(_ >= 0)
    }
    val missing = found.collect { case ((name, _, _), None) => s"'$name'" }
    if (source.strict && missing.nonEmpty)
      throw new IllegalArgumentException(s"$file has no column ${missing.mkString(", ")}; its columns: ${names.mkString(", ")}")
    val unknown = names.indices.filterNot(n => found.exists(_._2.contains(n))).map(n => s"'${names(n)}'")
    if (source.strict && unknown.nonEmpty)
      throw new IllegalArgumentException(s"$file has the column ${unknown.mkString(", ")}, which the schema does not declare")
    found
  }

  def values(placed: Seq[((String, String, String), Option[Int])], field: Int => String): Seq[Column] = placed.map {
    case ((name, kind, sql), at) => expr(at.fold(s"CAST(NULL AS $kind)")(n => sql.replace("@field", field(n)))).as(name)
  }

  /** Files of one header are read together; what they have is merged by name. */
  def csv(source: Input, files: Seq[String]): DataFrame = {
    val heads = files.map(file => head(source, file) -> file).filter(_._1._2.nonEmpty)
    if (heads.isEmpty) return nothing(source)
    val names = heads.map { case ((_, header), file) => if (source.header) named(header, file) else header.indices.map(n => s"_c$n") }
    for (((_, file), each) <- heads zip names if source.same && each.toSet != names.head.toSet)
      throw new IllegalArgumentException(s"$file has the columns ${each.mkString(", ")}, and ${heads.head._2} has ${names.head.mkString(", ")}")
    val merged = union(heads.map(_._1).distinct.map { case key @ (charset, header) =>
      val group = heads.filter(_._1 == key).map(_._2)
      val has = names(heads.indexWhere(_._1 == key))
      val (placed, count) = layout(source, header, has, group.head)
      val fields = (0 until header.size + @MORE@).map(n => s"c$n")
      val schema = fields.map(name => s"`$name` string").mkString(", ")
      val read = reader(source.copy(options = source.options + ("encoding" -> charset)), group, Some(schema))
      val bare = if (source.header) read else read.withColumn("c0", regexp_replace(col("c0"), "^\ufeff", ""))
      val more = fields.drop(count).mkString(", ")
      val told = s"concat($FILE, ' has a record of more than $count fields')"
      bare.where(expr(s"CASE WHEN trim(concat_ws('', $more)) = '' THEN true ELSE CAST(raise_error($told) AS boolean) END"))
        .select(values(placed, n => s"c$n") :+ col(FILE): _*)
    })
    if (source.columns.nonEmpty) merged else inferred(merged)
  }

  /** Each column of the result with its position in records that begin so, and how many fields belong to a column. */
  def layout(source: Input, header: Seq[String], names: Seq[String], file: String) =
    if (source.columns.isEmpty) (names.zipWithIndex.map { case (name, n) => ((name, "string", source.text), Option(n)) }, names.size)
    else if (source.header) (positions(source, names, file), names.size)
    else {
      val declared = source.columns.size
      if (source.strict && (header.size < declared || header.drop(declared).exists(_.trim.nonEmpty)))
        throw new IllegalArgumentException(s"$file has ${header.size} columns, and the schema declares $declared")
      val placed = source.columns.zipWithIndex.map { case (column, n) => column -> Some(n).filter(_ < header.size) }
      (placed, if (source.strict) declared else header.size)
    }

  /** The encoding of a file, by its mark or as it is declared, and the fields of its first record. */
  def head(source: Input, file: String): (String, Seq[String]) = {
    val (path, system) = place(file)
    val codec = new CompressionCodecFactory(spark.sparkContext.hadoopConfiguration).getCodec(path)
    val stream = system.open(path)
    try {
      val bytes = IOUtils.toByteArray(new BoundedInputStream(if (codec == null) stream else codec.createInputStream(stream), @HEAD@))
      val charset = bytes.take(3).map(_ & 0xFF).toSeq match {
        case Seq(0xEF, 0xBB, 0xBF) => "UTF-8"
        case Seq(0xFE, 0xFF, _*) | Seq(0xFF, 0xFE, _*) => "UTF-16"
        case _ => source.charset
      }
      // What is none of the encoding is an error; a character that the head cuts in two is left out.
      val text = CharBuffer.allocate(bytes.length + 1)
      if (Charset.forName(charset).newDecoder.decode(ByteBuffer.wrap(bytes), text, bytes.length < @HEAD@).isError)
        throw new IllegalArgumentException(s"$file is not written in ${source.charset.toLowerCase}: declare how it is written")
      text.flip()
      val settings = new CsvParserSettings
      settings.getFormat.setDelimiter(source.options("sep").head)
      settings.getFormat.setQuote(source.options("quote").head)
      settings.getFormat.setQuoteEscape(source.options("escape").head)
      settings.getFormat.setComment('\u0000')
      settings.setLineSeparatorDetectionEnabled(true)
      settings.setIgnoreLeadingWhitespaces(false)
      settings.setIgnoreTrailingWhitespaces(false)
      settings.setReadInputOnSeparateThread(false)
      settings.setMaxCharsPerColumn(-1)
      settings.setMaxColumns(20480)
      settings.setNullValue("")
      settings.setEmptyValue("")
      val parser = new CsvParser(settings)
      parser.beginParsing(new java.io.StringReader(text.toString))
      val records = Iterator.continually(parser.parseNext()).takeWhile(_ != null).map(_.toSeq).toList
      val whole = if (bytes.length < @HEAD@) records else records.dropRight(1)
      if (source.options("multiLine") == "false" && whole.flatten.exists(field => field != null && field.exists("\\r\\n".contains(_))))
        throw new IllegalArgumentException(s"$file has a line break within quotes; declare multiline=True")
      (charset, records.headOption.getOrElse(Nil))
    } finally stream.close()
  }

  /** The names of a header; what a trailing delimiter leaves is none. */
  def named(header: Seq[String], file: String): Seq[String] = {
    val names = header.map(_.trim.stripPrefix("\ufeff")).reverse.dropWhile(_.isEmpty).reverse.zipWithIndex.map { case (name, n) => if (name.isEmpty) s"_c$n" else name }
    for (name <- names.find(name => names.count(_.equalsIgnoreCase(name)) > 1))
      throw new IllegalArgumentException(s"$file: its header has the column '$name' twice")
    names
  }

  /** Texts as numbers and truth values where all of a column are some; none with a leading zero is. */
  def inferred(frame: DataFrame): DataFrame = {
    val kinds = Seq(@KINDS@)
    val names = frame.columns.filter(_ != FILE).toSeq
    def quoted(name: String) = col("`" + name.replace("`", "``") + "`")
    val tests = for (name <- names; (_, pattern) <- kinds) yield min(quoted(name).rlike(s"^(?:$pattern)$$").cast("int"))
    if (tests.isEmpty) return frame
    val found = frame.agg(tests.head, tests.tail: _*).first
    val typed = for ((name, n) <- names.zipWithIndex) yield {
      val kind = kinds.indices.find(k => !found.isNullAt(n * kinds.size + k) && found.getInt(n * kinds.size + k) == 1)
      kind.fold(quoted(name))(k => quoted(name).cast(kinds(k)._1)).as(name)
    }
    frame.select(typed :+ col(FILE): _*)
  }

  /** Of rows with the same keys one: that of the first frame which has it, the latest partition. */
  def latest(frames: Seq[DataFrame], keys: Seq[String]): DataFrame = {
    val ranked = frames.zipWithIndex.map { case (frame, rank) => frame.withColumn("rheo_rank", lit(rank)) }
    val order = Window.partitionBy(keys.map(col(_)): _*).orderBy("rheo_rank")
    val rows = union(ranked).withColumn("rheo_row", row_number().over(order))
    rows.where("rheo_row = 1").drop("rheo_rank", "rheo_row")
  }

@CHECKS@  /** Write to a folder; where that is one beside the partition, an object in it says that all is written. */
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
        val optional = entry.path("absent").asBoolean || entry.path("signal").asText == execution.path("node").asText
        val frame = read(alias, entry.get("paths").elements.asScala.map(_.asText).toSeq, optional)
        if (frame != null) frame.createOrReplaceTempView(alias)
        alias -> frame
    }.toMap
    val dimensions = texts(execution.get("output").get("dimensions"))
    val args = Seq[String](@ARGS@).map(name => name -> options(name)).toMap
    // Beside the partition, where the run takes it over when it publishes; the old one stays until then.
    val staged = Option(execution.get("output").get("staged")).filterNot(_.isNull).map(_.asText)
    val path = staged.getOrElse(execution.get("output").get("path").asText)
    try write(Code.compute(spark, frames, dimensions, args@FRAMES@), path, staged.isDefined)
    catch { case fault: Exception => throw named(fault) }
  }
}
"""

_CHECKS = """\
  /** A check: what it counts lies between low and high. It counts the rows for which `where` holds, those of `query`, or all. */
  case class Check(
      name: String, severity: String, low: Option[Double], high: Option[Double], where: Option[String], query: Option[String]) {
    def count: String = where.map(w => s"count(CASE WHEN $w THEN 1 END)").orElse(query.map(q => s"(SELECT count(*) FROM (\\n$q\\n))")).getOrElse("count(*)")
    def rows: Option[String] = where.map(w => s"SELECT * FROM output WHERE $w").orElse(query)
  }

  val checks: Seq[Check] = Seq(
@MADE@
  )

  /** How what is written is read again. */
  val written: Input = @WRITTEN@

  /** Leave the results of the checks beside what was written. */
  def check(output: DataFrame, path: String): Unit = {
    val (files, _) = list(path, Nil)
    val source = if (written.format != "json" || written.columns.nonEmpty) written
      // A column without a value stands in no file of JSON.
      else written.copy(columns = output.schema.filter(_.dataType.typeName != "void").map(field => (field.name, field.dataType.catalogString, "@field")))
    val frame = if (files.nonEmpty) load(source, files) else if (source.columns.nonEmpty) nothing(source) else output.limit(0)
    frame.drop(FILE).createOrReplaceTempView("output")
    def shown(fault: Throwable) = s"${fault.getClass.getSimpleName}: ${Option(fault.getMessage).getOrElse("without a word").trim.split("\\n").head}".take(@SHOWN@)
    def counts(some: Seq[Check]): Seq[Long] = {
      val row = spark.sql(some.map(_.count).mkString("SELECT count(*), ", ", ", " FROM output")).first
      some.indices.map(n => row.getLong(n + 1))
    }
    // All in one query; where that fails each by itself: one that cannot be made fails alone.
    val counted: Seq[Either[String, Long]] = try counts(checks).map(Right(_)) catch {
      case _: Exception => checks.map(each => try Right(counts(Seq(each)).head) catch { case fault: Exception => Left(shown(fault)) })
    }
    val results = new ObjectMapper().createArrayNode
    for ((each, found) <- checks zip counted) {
      val passed = found.exists(count => each.low.forall(count >= _) && each.high.forall(count <= _))
      val first = if (passed || found.isLeft) None else each.rows.flatMap(spark.sql(_).take(1).headOption)
      val example = first.fold("")(row => row.schema.names.zip(row.toSeq.map(Option(_).getOrElse("None"))).map { case (k, v) => s"$k=$v" }.mkString(", ")).take(@SHOWN@)
      val what = if (passed) "" else found.fold(identity, count => s"$count row" + (if (count == 1) "" else "s") + (if (example.isEmpty) "" else s", such as $example"))
      println(s"check ${each.name}: ${if (passed) "passed" else what}")
      results.addObject.put("check", each.name).put("severity", each.severity).put("passed", passed)
        .put("rows", if (passed) 0L else found.fold(_ => 1L, _ max 1)).put("example", example).put("what", what)
    }
    val (file, system) = place(s"$path/_checks.json")
    val stream = system.create(file, true)
    try stream.write(results.toString.getBytes("UTF-8")) finally stream.close()
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
    named = SCALA_OUTPUT.search(task.code.text) is not None
    main = (
        _MAIN.replace("@INPUTS@", _sources(dag))
        .replace("@WRITE@", _writing(dag, task))
        .replace("@MORE@", str(rheo_formats.MORE))
        .replace("@HEAD@", str(rheo_formats.HEAD))
        .replace(
            "@KINDS@",
            ", ".join(f"{_text(kind)} -> {_text(of)}" for kind, of in rheo_formats.INFERRED.items()),
        )
        .replace("@ARGS@", ", ".join(_text(name) for name, _ in task.args))
        .replace("@FRAMES@", "".join(f", frames({_text(alias)})" for alias in frames))
        .replace("@CHECKS@", _checks(dag, task))
    )
    return "\n".join([*head, *(["    output"] if named else []), "  }", "}", "", main])


def _names(number: int, i: p.Input) -> list[str]:
    """What a frame is called: by its alias and its number."""
    return list(dict.fromkeys([i.alias, f"input{number}"]))


def _sources(dag: p.DagPlan) -> str:
    lines = ",\n".join(
        f"    {_text(i.alias)} -> {_source(i, spark_script.reading(i))}" for i in dag.inputs if i.readable
    )
    return f"  val sources: Map[String, Input] = Map(\n{lines}\n  )"


def _source(i: p.Input, described: Mapping[str, Any]) -> str:
    """How an input reads, in Scala: the SQL of its values is that of PySpark's reader."""
    format = Format.of(i.format)
    csv = format.format == "CSV"
    options = rheo_spark.csv_options(format) if csv else {"mergeSchema": "true"}
    if format.format == "JSON":
        options = {"mode": "FAILFAST", **rheo_spark.times(format)}
    columns = [
        f"({_text(name)}, {_text(rheo_spark.kind_of(kind))}, "
        f"{_text(rheo_spark.field(_FIELD, name, kind, format) if csv else rheo_spark.as_kind(_FIELD, name, kind))})"
        for name, kind in format.declared
    ]
    places = [f"({_text(name)}, {_text(sql)})" for name, sql in rheo_spark.located(described)]
    same = format.columns == STRICT and not format.declared
    marks = [_pattern(mark) for mark in rheo_formats.markers(i.marks, format.format)]
    return (
        f"Input({_text(format.format.lower())}, {_map(options)},\n"
        f"      {_seq(columns)}, {_text(rheo_spark.field(_FIELD, '', None, format))},\n"
        f"      {_text(rheo_spark.java_charset(format.encoding))}, {_bool(format.header)}, {_bool(format.strict)}, {_bool(same)}, "
        f"{_seq(map(_text, map(_pattern, i.marks)))}, {_seq(map(_text, marks))}, {_seq(map(_text, i.primary_keys))}, {_seq(places)})"
    )


def _pattern(name: str) -> str:
    """The regular expression of the names that a completion name means; a pattern means no hidden object.

    >>> _pattern("_SUCCESS"), _pattern("*.csv"), _pattern("*_DONE")
    ('_SUCCESS', '(?![_.]).*[.]csv', '(?:(?![_.]).*_DONE|_DONE)')
    """

    def translated(text: str) -> str:
        pieces = re.split(r"(\[!?[^\]]+\]|[*?])", text)
        known = {"*": ".*", "?": "."}
        return "".join(
            known.get(
                piece,
                piece.replace("[!", "[^") if piece.startswith("[") and piece.endswith("]") else _plain(piece),
            )
            for piece in pieces
        )

    if name[0] not in "*?[":
        return translated(name)
    spelled, visible = name.lstrip("*"), f"(?![_.]){translated(name)}"
    return f"(?:{visible}|{translated(spelled)})" if spelled.startswith("_") else visible


def _plain(text: str) -> str:
    return re.sub(r"[^\w\s-]", lambda sign: f"[{sign[0]}]" if sign[0] not in "^\\" else f"\\{sign[0]}", text)


def _seq(items: Iterable[str]) -> str:
    return f"Seq({', '.join(items)})"


def _bool(value: bool) -> str:
    return str(value).lower()


def _writing(dag: p.DagPlan, task: p.ScriptTask) -> str:
    if not task.writes:
        return (
            "    case _: Dataset[_] =>\n"
            f"      throw new IllegalStateException({_text(f'{dag.node}: only the first Spark compute of a node writes its output')})\n"
            "    case _ => ()"
        )
    options = rheo_spark.writing(Format.of(dag.format))
    return (
        "    case frame: Dataset[_] =>\n"
        f'      frame.write.mode("overwrite").format({_text(dag.format.format.lower())}).options({_map(options)})\n'
        '        .option("mapreduce.fileoutputcommitter.marksuccessfuljobs", staged.toString).save(path)\n'
        f"{'      check(frame.toDF, path)' + chr(10) if dag.checks else ''}"
        "    case other =>\n"
        f"      throw new IllegalArgumentException({_text(f'{dag.node}: the last expression is no DataFrame but ')} + other)"
    )


def _checks(dag: p.DagPlan, task: p.ScriptTask) -> str:
    """What makes the checks of what the script writes; nothing where there are none."""
    if not dag.checks or not task.writes:
        return ""
    types = check_sql.types(dag.format.schema)
    made = ",\n".join(f"    {_check(check_sql.counted(each, check_sql.SPARK, types))}" for each in dag.checks)
    return (
        _CHECKS.replace("@WRITTEN@", _source(dag.written, spark_script.reading(dag.written)))
        .replace("@SHOWN@", str(rheo_spark.SHOWN))
        .replace("@MADE@", made)
    )


def _check(counted: Mapping[str, Any]) -> str:
    def option(value: object) -> str:
        if value is None:
            return "None"
        return f"Some({_text(value) if isinstance(value, str) else value})"

    parts = [_text(counted["check"]), _text(counted["severity"])]
    parts += [option(counted.get(key)) for key in ("low", "high", "where", "query")]
    return f"Check({', '.join(parts)})"


def _map(options: dict[str, str]) -> str:
    return (
        f"Map[String, String]({', '.join(f'{_text(k)} -> {_text(v)}' for k, v in sorted(options.items()))})"
    )


def _text(value: str) -> str:
    """A string of Scala: JSON's escapes are Scala's."""
    return json.dumps(value)
