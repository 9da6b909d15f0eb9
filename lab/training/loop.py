"""Epochs of steps: the loop around the step that a lesson shows.

It knows a model, an optimizer and a folder, and nothing of what the model is or what it learns.
"""

import functools
import time

import numpy as np
import tensorflow as tf
from sklearn.utils.class_weight import compute_sample_weight

from lab import cluster
from lab.console import print_epoch
from lab.training.keeper import Keeper, extended


class Examples:
    """What a model learns from and is judged by.

    inputs: [n, ...], as the model takes them but for their type; or a function of rows.
    labels: int [n], below `classes`. weights: float32 [n], how much each counts in training.
    at_once: rows that the model is judged by in one go.
    augment: what happens to inputs and labels of these rows in this epoch; see `augmentation`.
    """

    def __init__(self, inputs, labels, weights, classes, at_once=4096, augment=None):
        # Tensors: as arrays they would be copied into every graph that uses them.
        self.labels, self.weights = map(tf.constant, (labels, weights))
        self.inputs = (
            inputs if callable(inputs) else functools.partial(tf.gather, tf.constant(inputs))
        )
        self.classes, self.at_once, self.augment = classes, at_once, augment

    def batch(self, rows, epoch=None):
        """Inputs float32 [b, ...], targets one-hot [b, classes], weights [b] of these rows.

        epoch: in which they train, and are augmented; None to be judged by.
        """
        inputs, labels = self.inputs(rows), tf.gather(self.labels, rows)
        if self.augment and epoch is not None:
            inputs, labels = self.augment(inputs, labels, rows, epoch)
        targets = tf.one_hot(labels, self.classes)
        return tf.cast(inputs, tf.float32), targets, tf.gather(self.weights, rows)


def weights_of(labels, training, choice=None):
    """How much each picture counts, float32 [n]: all alike, or "balanced", all classes alike."""
    weights = np.ones(len(labels), np.float32)
    weights[training] = compute_sample_weight(choice, labels[training])
    return weights


def fit(model, loss, optimizer, step, examples, rows, args, folder, watch=None, strategy=None):
    """Train `model` and leave it as it was after its best epoch; the history, a row an epoch.

    Of several machines only the first does: the others are done after the last step.

    step: a function of inputs, targets and weights that changes the model, and returns its loss and
        the scores [b, classes] before the change.
    rows: those that train and those that validate, by which the best epoch is chosen.
    args: has epochs, batch_size, seed, learning_rate and patience, the epochs without a lower
        validation loss after which it stops; None lets all epochs run.
    folder: gets `history.csv`, and `checkpoints`, from which a training that was stopped goes on
        and ends as if it had not been.
    watch: called with the history after each epoch. strategy: of tf.distribute.
    Raises ValueError when the loss stops being a number.
    """
    training, validation = rows
    strategy = strategy or tf.distribute.get_strategy()
    optimizer.build(model.trainable_variables)
    keeper = Keeper(folder, model, optimizer)
    history = keeper.restore()
    cluster.check_same(strategy, {"its checkpoint": history.to_csv()})
    batches = _batches(examples, training, args, len(history))
    learn = _learner(step, iter(strategy.distribute_datasets_from_function(batches)), strategy)
    judge = _judge(model, loss, examples, strategy)
    first = cluster.place(strategy)[0] == 0
    while not _is_over(history, args):
        begin, epoch = time.perf_counter(), len(history) + 1
        results = (*learn(-(-len(training) // args.batch_size)), *judge(validation))
        seconds = time.perf_counter() - begin
        _check(results, epoch, args.learning_rate)
        history = extended(history, [epoch, seconds, *results])
        if not first:
            continue
        print_epoch(epoch, seconds, *results[2:])
        keeper.keep(history)
        if watch:
            watch(history)
    if first:
        keeper.restore_best()
    return history


def _is_over(history, args):
    waited = len(history) - best_epoch(history) if len(history) else 0
    return len(history) >= args.epochs or waited >= (args.patience or args.epochs)


def best_epoch(history):
    """The number of the epoch with the lowest validation loss."""
    return int(history["epoch"][history["val_loss"].idxmin()])


def _check(results, epoch, learning_rate):
    loss, _, validation_loss, _ = results
    if not np.isfinite([loss, validation_loss]).all():
        raise ValueError(
            f"the loss is no longer a number in epoch {epoch}: "
            f"try a lower --learning-rate than {learning_rate:g}"
        )


def _batches(examples, training, args, epochs_done):
    """A function that makes a machine's part of all epochs that are left, each in its own order.

    The order depends on the seed and the number of the epoch alone, so that a training that was
    stopped meets the same batches when it goes on. Of n devices, each takes every n-th picture of
    a batch: none prepares what another one learns from.
    """
    training = tf.constant(training)

    def epoch(number):
        seed = tf.stack([tf.constant(args.seed, tf.int64), number])
        rows = tf.random.experimental.stateless_shuffle(training, seed)
        batches = tf.data.Dataset.from_tensor_slices(rows).batch(args.batch_size)
        return batches.map(lambda rows: (rows, number))

    def part(context):
        devices = context.num_replicas_in_sync
        own = devices // context.num_input_pipelines
        first = context.input_pipeline_id * own

        def shares(rows, number):
            of = tf.data.Dataset.range(first, first + own)
            return of.map(lambda device: (rows[device::devices], number))

        epochs = tf.data.Dataset.range(epochs_done, args.epochs)
        batches = epochs.flat_map(epoch)
        if devices > 1:  # a head's step is so short that sharing with nobody is a tenth of it
            batches = batches.flat_map(shares)
        return batches.map(examples.batch, num_parallel_calls=2).prefetch(4)

    return part


def _learner(step, batches, strategy):
    """A function that takes a number of steps; the mean loss and accuracy on the way."""

    replicas = strategy.num_replicas_in_sync

    def one(inputs, targets, weights):
        count = tf.cast(tf.shape(targets)[0], tf.float32)
        # A loss is a mean over the pictures of its replica, which are not always equally many.
        average = _average(count)
        loss, scores = step(inputs, targets, weights * count / average)
        return tf.stack([loss * replicas * average, _right(scores, targets), count])

    @tf.function
    def learn(steps):
        totals = tf.zeros(3)
        for _ in tf.range(steps):
            results = strategy.run(one, args=next(batches))
            totals += strategy.reduce("SUM", results, axis=None)
        return totals

    return lambda steps: _means(learn(tf.constant(steps)))


def _average(count):
    """Over the replicas."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return count
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, count)


def _judge(model, loss, examples, strategy):
    """A function of rows: the model's mean loss and accuracy on them."""
    # By these Keras divides a loss, since the gradients of all of them are summed.
    replicas = strategy.num_replicas_in_sync
    worker, workers = cluster.place(strategy)

    @tf.function
    def judge(rows):
        inputs, targets, _ = examples.batch(rows)
        scores = model(inputs, training=False)
        count = tf.cast(tf.shape(rows)[0], tf.float32)
        whole = loss(targets, scores) * replicas * count
        return tf.stack([whole, _right(scores, targets), count])

    def judge_all(rows):
        starts = range(0, len(rows), examples.at_once)[worker::workers]
        chunks = (tf.constant(rows[i : i + examples.at_once]) for i in starts)
        return _means(cluster.total(strategy, sum(map(judge, chunks), tf.zeros(3))))

    return judge_all


def _right(scores, targets):
    """How many rows have their highest score where the target is."""
    hits = tf.equal(tf.argmax(scores, 1), tf.argmax(targets, 1))
    return tf.reduce_sum(tf.cast(hits, tf.float32))


def _means(totals):
    loss, right, count = totals.numpy().astype(float).tolist()
    return loss / count, right / count
