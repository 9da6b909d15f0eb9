"""Pictures out of files, archives and tables: what is wrong with one is said, and no other hurt.

What is wrong with the storage (a network that fails, a disk) is raised: the shard is then not
written, and computed when the command is given again.
"""

import io
import tarfile
import zipfile
import zlib
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from deploy.embed import sources
from lab.data import images

LARGEST_NAME = 2**20  # bytes of a name in a tar, which tarfile would read whatever it is


class Picture(NamedTuple):
    """Where a picture is, and its content: None for a file of its own, or where it is broken."""

    path: str
    member: str | None
    size: int
    content: bytes | None = None
    broken: str | None = None

    def opened(self):
        """What lab.data.images reads: a path, or an open file."""
        if self.content is not None:
            return io.BytesIO(self.content)
        if "://" not in self.path:
            return self.path
        fs, path = sources.opened(self.path)
        return io.BytesIO(fs.cat_file(path))


def pictures(shard, column=None):
    """Each Picture of a shard, a dict path -> bytes, in order. column: of Parquet files."""
    for path, size in shard.items():
        if path.lower().endswith(sources.PICTURES):
            yield Picture(path, None, size, broken=_too_large(size))
        else:
            yield from _of_container(path, column)


def _of_container(path, column):
    kind = path.lower()
    read = _of_tar if kind.endswith(sources.TARS) else _of_zip
    options = ()
    if kind.endswith(sources.TABLES):
        read, options = _of_table, (column,)
    fs, place = sources.opened(path)
    try:
        with fs.open(place, "rb") as file:
            yield from read(path, file, *options)
    except (FileNotFoundError, *DAMAGE) as error:
        yield Picture(path, None, 0, broken=_reason(error))
    except OSError as error:
        if type(error) is not OSError or error.errno is not None:
            raise
        yield Picture(path, None, 0, broken=_reason(error))  # pyarrow's word for damage


DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, pa.ArrowException, EOFError, RuntimeError,
    ValueError,
)  # fmt: skip


def _reason(error):
    return ascii(str(error)[:200] or type(error).__name__)[1:-1]


def _too_large(size):
    if size > images.MAX_BYTES:
        return f"expected a picture of at most {images.MAX_BYTES:,} bytes, found {size:,}"
    return None


# ---- tar ----------------------------------------------------------------------------------------


class _Member(tarfile.TarInfo):
    """A member of an archive that is damaged where its head is: tarfile would end there, silent."""

    @classmethod
    def fromtarfile(cls, archive):
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"cut or damaged: {error}") from error

    @classmethod
    def frombuf(cls, *arguments):
        member = super().frombuf(*arguments)
        if member.type in b"xgXLK" and member.size > LARGEST_NAME:
            raise tarfile.ReadError(f"a name of {member.size:,} bytes")
        return member


def _of_tar(path, file):
    with tarfile.open(fileobj=file, mode="r|*", tarinfo=_Member) as archive:
        for member in archive:
            if member.isfile() and member.name.lower().endswith(sources.PICTURES):
                broken, content = _too_large(member.size), None
                if not broken:
                    content = archive.extractfile(member).read()
                name = member.name.encode(errors="backslashreplace").decode()
                yield Picture(path, name, member.size, content, broken)


# ---- zip ----------------------------------------------------------------------------------------


def _of_zip(path, file):
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if not member.is_dir() and member.filename.lower().endswith(sources.PICTURES):
                yield _unpacked(path, archive, member)


def _unpacked(path, archive, member):
    name, size = member.filename.encode(errors="backslashreplace").decode(), member.file_size
    broken, content = _too_large(size), None
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        broken = "expected it stored or deflated, found another packing"
    if not broken:
        try:
            with archive.open(member) as file:
                # A megabyte at a time: zipfile unpacks what is asked for before it looks how much
                # there should be.
                content = b"".join(iter(lambda: file.read(2**20), b""))
        except DAMAGE as error:  # encrypted, too
            broken = _reason(error)
    return Picture(path, name, size, content, broken)


# ---- Parquet ------------------------------------------------------------------------------------


def _of_table(path, file, column):
    table = pq.ParquetFile(file)
    name, row = pictures_in(table.schema_arrow, column), 0
    for batch in table.iter_batches(128, columns=[name]):
        values = batch.column(0)
        if pa.types.is_struct(values.type):
            values = values.field("bytes")
        for value in values:
            content, broken = value.as_py(), None
            if content is None:
                broken = "expected the bytes of a picture, found none"
            yield Picture(path, str(row), len(content or ()), content, broken)
            row += 1


def check(files, column):
    """ValueError when the first of the Parquet files among Sources has no column of pictures."""
    tables = (file.path for file in files if file.path.lower().endswith(sources.TABLES))
    for path in tables:
        fs, place = sources.opened(path)
        try:
            with fs.open(place, "rb") as file:
                schema = pq.read_schema(file)
        except (OSError, *DAMAGE):
            continue  # listed as broken when it is its turn
        try:
            pictures_in(schema, column)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        return


def pictures_in(schema, column=None):
    """The column that holds pictures: the one named, or the only one there is.

    It holds bytes, or a struct that does, named `bytes` as in the tables of Hugging Face. Raises
    ValueError.
    """
    known = [field.name for field in schema if _holds_bytes(field.type)]
    if column in known or (column is None and len(known) == 1):
        return column or known[0]
    found = f"found {column}" if column else f"found {len(known)}"
    raise ValueError(
        f"expected a column of pictures' bytes ({', '.join(known) or 'none'} here), {found}: "
        "name one with --column"
    )


def _holds_bytes(kind):
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
