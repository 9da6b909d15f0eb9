"""Single questions, answered many at once: one thread asks, whoever came meanwhile comes along."""

from concurrent.futures import Future
from threading import Condition, Thread


class Batcher(Thread):
    """Answers what it is asked, in batches, in the order of the questions.

    function: a list of questions -> a list with the answer to each. What it raises, all
        of them hear.
    sizes: of the batches, ascending from 1. A batch is the largest that those who wait can fill, so
        nobody waits for others to come, and no place is computed for nobody.
    """

    def __init__(self, function, sizes):
        super().__init__(daemon=True)
        self.function, self.sizes = function, sizes
        self.waiting, self.ended, self.changed = [], False, Condition()

    def ask(self, question):
        """The Future of its answer; cancelled before its turn, it takes no place in a batch."""
        future = Future()
        with self.changed:
            self.waiting.append((question, future))
            self.changed.notify()
        return future

    def stop(self):
        """Answer what was asked so far, and end."""
        with self.changed:
            self.ended = True
            self.changed.notify()

    def run(self):
        while self.waiting or not self.ended:
            if batch := self._batch():
                self._answer(*zip(*batch, strict=True))

    def _batch(self):
        """Those whose turn it is."""
        with self.changed:
            self.changed.wait_for(lambda: self.waiting or self.ended)
            waiting = [one for one in self.waiting if not one[1].cancelled()]
            size = max((size for size in self.sizes if size <= len(waiting)), default=0)
            self.waiting = waiting[size:]
            return waiting[:size]

    def _answer(self, questions, futures):
        try:
            answers = [(Future.set_result, answer) for answer in self.function([*questions])]
        except Exception as error:  # the next batch is as good as ever
            answers = [(Future.set_exception, error)] * len(futures)
        for future, (tell, answer) in zip(futures, answers, strict=True):
            if future.set_running_or_notify_cancel():  # else whoever asked no longer waits
                tell(future, answer)
