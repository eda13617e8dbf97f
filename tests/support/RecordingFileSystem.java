package rheo.testing;

import java.io.FileNotFoundException;
import java.io.FileWriter;
import java.io.IOException;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme;
import org.apache.hadoop.util.Progressable;

/** The file system of local runs, which writes down what it is asked for: a line for each call. */
public class RecordingFileSystem extends ViewFileSystemOverloadScheme {
  public RecordingFileSystem() throws IOException {}

  private static synchronized void note(String call, Path path, Path other) throws IOException {
    FileWriter writer = new FileWriter(System.getenv("RHEO_CALLS"), true);
    writer.write(call + "\t" + path + (other == null ? "" : "\t" + other) + "\n");
    writer.close();
  }

  private boolean isFolder(Path path) throws IOException {
    try {
      return super.getFileStatus(path).isDirectory();
    } catch (FileNotFoundException nothing) {
      return false;
    }
  }

  public FSDataInputStream open(Path path, int size) throws IOException {
    note("open", path, null);
    return super.open(path, size);
  }

  public FSDataOutputStream create(
      Path path, FsPermission permission, boolean overwrite, int size, short replication, long block,
      Progressable progress) throws IOException {
    note("create", path, null);
    return super.create(path, permission, overwrite, size, replication, block, progress);
  }

  public boolean rename(Path from, Path to) throws IOException {
    note("rename", from, to);
    return super.rename(from, to);
  }

  public boolean delete(Path path, boolean recursive) throws IOException {
    note(isFolder(path) ? "remove" : "delete", path, null);
    return super.delete(path, recursive);
  }

  public FileStatus[] listStatus(Path path) throws IOException {
    note("list", path, null);
    return super.listStatus(path);
  }

  public RemoteIterator listLocatedStatus(Path path) throws IOException {
    note("list", path, null);
    return super.listLocatedStatus(path);
  }

  public boolean mkdirs(Path path) throws IOException {
    note("mkdirs", path, null);
    return super.mkdirs(path);
  }

  public boolean mkdirs(Path path, FsPermission permission) throws IOException {
    note("mkdirs", path, null);
    return super.mkdirs(path, permission);
  }

  public FileStatus getFileStatus(Path path) throws IOException {
    note("status", path, null);
    return super.getFileStatus(path);
  }
}
