"""The paths of the server: the page, POST /predict, GET /health, GET /metrics, OpenAPI."""

import asyncio
import io
import logging
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartParser
from starlette.requests import ClientDisconnect

from deploy.serve.classifier import Answer
from deploy.serve.limits import RETRY, Door, Limits
from deploy.serve.service import Full, Service
from lab.console import notice, one_line
from lab.data.images import NoPicture, TooLarge

PAGE = Path(__file__).with_name("page.html")
PAGE_HEADERS = {
    # The page loads nothing but itself, and speaks to nobody else.
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src blob: data:; connect-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                        }
                    },
                }
            }
        },
    }
}


class Problem(BaseModel):
    """What is wrong with a request."""

    detail: str


class Named(Answer):
    file: str


class Refused(BaseModel):
    """What is wrong with a picture: 413 too large, 415 no picture, 422 a damaged one."""

    file: str
    status: int
    detail: str


class Prediction(BaseModel):
    """Of each picture, in the order they were sent, what it shows or what is wrong with it."""

    results: list[Named | Refused]


class Health(BaseModel):
    status: str = Field(description="warming up, ready, or what failed")
    run: str
    network: str
    classes: int
    accuracy: float = Field(description="share of its validation pictures that it named right")
    maps: bool = Field(description="whether ?map=true is answered")
    largest: int = Field(description="bytes of a request")


REFUSALS = {
    400: "no pictures, or too many",
    408: "the upload took too long",
    413: "too large",
    415: "no upload of files, or none of them a picture",
    422: "none of the pictures is whole",
    503: "warming up, or full: Retry-After says when to try again",
}


paths = APIRouter()


@paths.get("/", include_in_schema=False)
async def page():
    return FileResponse(PAGE, headers=PAGE_HEADERS)


@paths.post(
    "/predict",
    response_model=Prediction,
    responses={
        status: {"description": text, "model": Prediction | Problem}
        for status, text in REFUSALS.items()
    },
    openapi_extra=UPLOAD,
)
async def predict(request: Request, map: bool = False):
    """Names one picture or many; with ?map=true also which parts of it decided.

    Refused is a request of which no picture can be named; else each has its own result.
    """
    service = request.app.state.service
    with service.measures.seconds.time():
        files = await _uploads(request, service.limits)
        return _told(files, await _looked(service, files, map))


@paths.get("/health", responses={503: {"model": Health}})
async def health(request: Request, response: Response) -> Health:
    """Whether it answers yet, and what is served."""
    service = request.app.state.service
    run = service.classifier.run
    if service.state != "ready":
        response.status_code = 503
        response.headers.update(RETRY)
    return Health(
        status=service.state,
        run=run.folder.resolve().name,
        network=run.network.name,
        classes=len(run.names),
        accuracy=run.record.metrics.validation.accuracy,
        maps=service.classifier.maps,
        largest=service.limits.bytes,
    )


@paths.get("/metrics", response_class=Response)
async def metrics(request: Request):
    """For Prometheus."""
    told = generate_latest(request.app.state.service.measures.registry)
    return Response(told, media_type=CONTENT_TYPE_LATEST)


def build(classifier, limits=None):
    """The ASGI application that serves a Classifier, within the Limits."""
    limits = limits or Limits()
    MultiPartParser.spool_max_size = limits.bytes  # uploads never touch the disk
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # who sends nonsense hears of it
    app = FastAPI(
        title="A trained run", description=__doc__, version="1", lifespan=_life,
        docs_url=None, redoc_url=None,  # these pages would come from elsewhere
    )  # fmt: skip
    app.include_router(paths)
    app.state.service = service = Service(classifier, limits)
    arrived, answered = service.measures.arrived, service.measures.requests
    return Door(app, limits, arrived.inc, lambda status: answered.labels(status).inc())


@asynccontextmanager
async def _life(app):
    """It warms up while it already listens, and says at its end what it did."""
    service = app.state.service
    warming = asyncio.create_task(service.start())
    yield
    service.stop()
    await warming
    notice(f"Stopped: {service.measures.told()}")


async def _uploads(request, limits):
    """The files in the body of a request, open, with names of one line."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise HTTPException(415, "expected files, as multipart/form-data")
    try:
        async with asyncio.timeout(limits.seconds):
            form = await request.form(max_files=limits.pictures, max_fields=limits.pictures)
    except TimeoutError:
        raise HTTPException(408, f"expected all of it in {limits.seconds:g} seconds") from None
    except UnicodeError:
        raise HTTPException(400, "expected names that are text") from None
    except ClientDisconnect:
        raise HTTPException(400, "the rest never came") from None  # nobody hears it
    uploads = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    if not uploads:
        raise HTTPException(400, "expected at least one file, found none")
    return [await _opened(upload) for upload in uploads]


async def _opened(upload):
    file = io.BytesIO(await upload.read())
    file.name = one_line(upload.filename or "picture")[:200]
    await upload.close()
    return file


async def _looked(service, files, maps):
    if service.state != "ready":
        raise HTTPException(503, service.state, RETRY)
    try:
        return await service.look(files, maps)
    except Full:
        raise HTTPException(503, "full: try again in a second", RETRY) from None
    except TimeoutError:
        raise HTTPException(503, "this took too long: try again later", RETRY) from None


def _told(files, found):
    """The response: a result for each file; refused, when all of them are."""
    results = [_result(*pair) for pair in zip(files, found, strict=True)]
    refused = all(isinstance(result, Refused) for result in results)
    return Response(
        Prediction(results=results).model_dump_json(),
        results[0].status if refused else 200,
        media_type="application/json",
    )


def _result(file, answer):
    if not isinstance(answer, ValueError):
        return Named(file=file.name, **answer.model_dump())
    kinds = {NoPicture: 415, TooLarge: 413}
    detail = str(answer).removeprefix(f"{file.name}: ")
    return Refused(file=file.name, status=kinds.get(type(answer), 422), detail=detail)
