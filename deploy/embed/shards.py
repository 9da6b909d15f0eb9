"""Shards of the plan become shards of the result: pictures are read, seen, and told of in a file.

While the network computes, a thread reads ahead and others decode, across the ends of shards.
"""

import json
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from deploy.embed import plan, reading
from lab import files

THREADS = 32  # most wait for object storage
AHEAD = 2  # batches; those of AlexNet have 79 MB
ROWS = 1024  # a row group: 8 MB of fc7
CONTENTS = 200_000_000  # bytes of pictures from archives and tables that are read for one batch


def embed(numbers, table, model, folder, column=None):
    """Write the shards `numbers` of a plan, a table, into a Folder. column: of Parquet files.

    Yields how many pictures were seen, and of how many bytes, by batch.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        prepared = partial(_batches, model=model, column=column, pool=pool)
        batches = (batch for number in numbers for batch in prepared(plan.shard(table, number)))
        with closing(_ahead(batches)) as ready:
            for number in numbers:
                name = f"{model.what}/{plan.file_of(number)}"
                with folder.writing(name) as path, _Shard(path, model) as shard:
                    for batch in iter(partial(next, ready), None):
                        shard.add(batch)
                        yield len(batch.whole) + len(batch.broken), batch.size


class Batch(NamedTuple):
    """Pictures, without their contents; the whole ones as the network wants them, padded.

    size: of what was read for them, in bytes.
    """

    whole: list
    images: tf.Tensor
    broken: list
    size: int


def _batches(paths, model, column, pool):
    """The Batches of one shard, and None where it ends."""
    pictures, left = reading.pictures(paths, column), sum(paths.values())
    prepared = partial(_prepared, frozen=model.frozen)
    # No name holds the contents of a batch while the next one is read.
    while seen := [*pool.map(prepared, _next(pictures, model.frozen.network.batch))]:
        whole = [picture for picture, image in seen if image is not None]
        broken = [picture for picture, image in seen if image is None]
        images = [image for _, image in seen if image is not None]
        size = min(left, sum(picture.size for picture, _ in seen))
        left -= size
        yield Batch(whole, images and _padded(images, model.frozen.network.batch), broken, size)
    yield Batch([], [], [], left)  # what is no picture
    yield None


def _next(pictures, count):
    """The next `count` pictures, or fewer, when much has been read for them."""
    chosen, read = [], 0
    while len(chosen) < count and read < CONTENTS and (picture := next(pictures, None)):
        chosen.append(picture)
        read += len(picture.content or b"")
    return chosen


def _prepared(picture, frozen):
    """A picture without its content, and what the network wants; None, and why, of a broken one."""
    there, image = picture._replace(content=None), None
    if not picture.broken:
        try:
            image = frozen.prepared(picture.opened())
        except (FileNotFoundError, ValueError) as error:
            reason = str(error).removeprefix("picture: ").removeprefix(f"{picture.path}: ")
            there = there._replace(broken=reason)
    return there, image


def _padded(images, count):
    """One tensor [count, side, side, 3]: TensorFlow compiles the network for each size it meets."""
    batch, missing = tf.concat(images, axis=0), count - len(images)
    return tf.pad(batch, [[0, missing], [0, 0], [0, 0], [0, 0]]) if missing else batch


END = object()


def _ahead(items):
    """`items`, of which a thread makes some before they are wanted."""
    with ThreadPoolExecutor(1) as worker:
        upcoming = deque(worker.submit(next, items, END) for _ in range(AHEAD))
        while (item := upcoming.popleft().result()) is not END:
            upcoming.append(worker.submit(next, items, END))
            yield item


class _Shard:
    """The file of a shard: rows of whole pictures, and beside them what is wrong with the others.

    So both are there, or none.
    """

    def __init__(self, path, model):
        self.path, self.model, self.tables, self.broken = path, model, [], []
        texts = [field.name for field in model.schema if pa.types.is_string(field.type)]
        options = {"use_dictionary": texts, "write_statistics": texts}  # of no use for features
        with files.explained(path):
            self.file = pq.ParquetWriter(path, model.schema, compression="zstd", **options)

    def __enter__(self):
        return self

    def add(self, batch):
        self.broken += [(picture.path, picture.member, picture.broken) for picture in batch.broken]
        if batch.whole:
            features = self.model.frozen.features(batch.images)[: len(batch.whole)].numpy()
            places = np.array([(picture.path, picture.member) for picture in batch.whole], object)
            finite = np.isfinite(features).all(axis=1)
            if len(features) == self.model.frozen.network.batch and not finite.any():
                self.model.frozen.finite(features)  # says what is wrong, and not with the pictures
            self.broken += [(*place, "its features are no numbers") for place in places[~finite]]
            if finite.any():
                columns = [pa.array(column, pa.string()) for column in places[finite].T]
                columns += self.model.columns(features[finite])
                self.tables.append(pa.table(columns, self.model.schema))
        if sum(map(len, self.tables)) >= ROWS:
            self._write()

    def _write(self):
        if self.tables:
            with files.explained(self.path):
                self.file.write_table(pa.concat_tables(self.tables))
            self.tables = []

    def __exit__(self, kind, *_):
        if kind is None:
            self._write()
            self.file.add_key_value_metadata({plan.BROKEN: json.dumps(self.broken)})
        with files.explained(self.path):
            self.file.close()
