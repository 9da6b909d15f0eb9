"""The plan of shards: written before any is computed, and kept to until all are.

A tar, a zip or a Parquet file is one shard, for the first can only be read from its beginning;
picture files are bundled. The plan is a table with a row a file: its shard, its path, its bytes.
"""

import json
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FILE = "plan.parquet"
SCHEMA = pa.schema([("shard", pa.int32()), ("path", pa.string()), ("size", pa.int64())])
FACTS, BROKEN = b"embed", b"broken"  # what the files hold beside their tables


def made(sources, together):
    """The table for these Sources, with up to `together` picture files a shard."""
    shards = []
    for bundled, group in groupby(sources, key=lambda source: source.is_picture):
        files, step = [*group], together if bundled else 1
        shards += [files[start : start + step] for start in range(0, len(files), step)]
    numbers = [number for number, files in enumerate(shards) for _ in files]
    paths, sizes = zip(*sources, strict=True)
    return pa.table([numbers, paths, sizes], SCHEMA)


def agree(folder, table, facts):
    """Write the plan into `folder`, or hold it to the one that is there.

    facts: name -> text, all else that the shards depend on.
    Raises ValueError that says what has changed since.
    """
    remedy = "name another --out, or remove this one"
    with folder.reading(FILE) as file:
        if file is None:
            content = table.replace_schema_metadata({FACTS: json.dumps(facts)})
            with folder.writing(FILE) as path:
                pq.write_table(content, path)
            return
        there = pq.read_table(file)
    begun = json.loads((there.schema.metadata or {}).get(FACTS, "{}"))
    changed = [name for name, value in facts.items() if begun.get(name) != value]
    if changed:
        raise ValueError(f"{folder}: was begun with another {' and '.join(changed)}; {remedy}")
    if not there.equals(table):
        raise ValueError(
            f"{folder}: was begun with other sources: {_other(there, table)}; {remedy}"
        )


def _other(there, now):
    """What is another in a plan, for a message."""
    before, after = ({row["path"]: row["size"] for row in t.to_pylist()} for t in (there, now))
    gone = [path for path in before if path not in after]
    new = [path for path in after if path not in before]
    if gone or new:
        return f"{gone[0]} is gone" if gone else f"{new[0]} was not there"
    changed = [path for path, size in after.items() if size != before[path]]
    return f"{changed[0]} has changed" if changed else "they were in another order"


def shard(table, number):
    """Path -> bytes of the files of one shard."""
    first, end = np.searchsorted(table["shard"].to_numpy(), [number, number + 1])
    rows = table.slice(first, end - first)
    return dict(zip(rows["path"].to_pylist(), rows["size"].to_pylist(), strict=True))


def file_of(number):
    """The name of the file that a shard becomes."""
    return f"{number:06}.parquet"


def sizes(table):
    """The bytes of each shard: int [shards]."""
    return np.bincount(table["shard"].to_numpy(), table["size"].to_numpy()).astype(int)


def outcome(folder, what, number):
    """Rows and broken pictures of a shard that is written: int, list of (path, member, reason)."""
    with folder.reading(f"{what}/{file_of(number)}") as file:
        known = pq.read_metadata(file)
    return known.num_rows, json.loads(known.metadata[BROKEN])
