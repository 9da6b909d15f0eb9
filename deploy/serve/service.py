"""Pictures in, answers out: decoded in threads, looked at in batches, counted."""

import asyncio
import logging
import os
from concurrent.futures import ThreadPoolExecutor

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from deploy.serve.batcher import Batcher
from deploy.serve.classifier import Answer
from lab.console import notice


class Full(Exception):
    """There is no room for more pictures now."""


class Service:
    """A Classifier that many ask at once.

    state: "warming up", "ready", or what went wrong.
    """

    def __init__(self, classifier, limits):
        self.classifier, self.limits, self.state, self.taken = classifier, limits, "warming up", 0
        self.measures = Measures(self)
        self.threads = ThreadPoolExecutor(os.cpu_count())
        self.answers = Batcher(self._answers, classifier.sizes)
        self.maps = Batcher(lambda files: [classifier.decisive(file) for file in files], [1])

    async def start(self):
        """Warm up, while the server already says that it does."""
        self.answers.start()
        self.maps.start()
        try:
            await asyncio.to_thread(self.classifier.warm_up)
            self.state = "ready"
        except Exception as error:
            self.state = f"failed: {type(error).__name__}"
            logging.exception("It cannot warm up")
        notice(self.state.capitalize())

    def stop(self):
        self.answers.stop()
        self.maps.stop()
        self.threads.shutdown(wait=False)

    async def look(self, files, maps=False):
        """Of each open file its Answer, or the ValueError that says what is wrong with it.

        maps: whether to tell what decided. Raises Full when so many have no room, TimeoutError
        when it takes too long.
        """
        if self.taken + len(files) > self.limits.queue:
            raise Full
        self.taken += len(files)
        try:
            async with asyncio.timeout(self.limits.seconds):
                looks = [self._look(file, maps and self.classifier.maps) for file in files]
                found = await asyncio.gather(*looks)
        finally:
            self.taken -= len(files)
        for answer in found:
            outcome = "refused" if isinstance(answer, ValueError) else "named"
            self.measures.pictures.labels(outcome).inc()
        return found

    async def _look(self, file, maps):
        loop = asyncio.get_running_loop()
        try:
            picture = await loop.run_in_executor(self.threads, self.classifier.prepared, file)
        except ValueError as error:
            return error
        answer = await asyncio.wrap_future(self.answers.ask(picture))
        if maps and isinstance(answer, Answer):
            answer.map = await asyncio.wrap_future(self.maps.ask(file))
        return answer

    def _answers(self, pictures):
        self.measures.batch.observe(len(pictures))
        return self.classifier.answers(pictures)


class Measures:
    """What /metrics tells of a Service."""

    def __init__(self, service):
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        kept = {"registry": self.registry}
        self.arrived = Counter("serve_requests_arrived", "requests that arrived", **kept)
        self.requests = Counter("serve_requests", "requests answered", ["status"], **kept)
        self.pictures = Counter("serve_pictures", "pictures answered", ["outcome"], **kept)
        self.seconds = Histogram(
            "serve_seconds", "from a request's arrival to its answer, POST /predict", **kept
        )
        self.batch = Histogram(
            "serve_batch_pictures", "that went through the network at once",
            buckets=service.classifier.sizes, **kept,
        )  # fmt: skip
        waiting = Gauge("serve_pictures_waiting", "arrived and not answered", **kept)
        waiting.set_function(lambda: service.taken)

    def told(self):
        """How many requests arrived and were answered, as a line."""
        arrived, answered = _total(self.arrived), _total(self.requests)
        return f"{arrived:,.0f} requests arrived, {answered:,.0f} were answered"


def _total(counter):
    """Of all its labels together."""
    (family,) = counter.collect()
    return sum(sample.value for sample in family.samples if sample.name.endswith("_total"))
