"""A trained run as a server: a page to drop pictures on, and POST /predict for programs.

python -m deploy.serve                               runs/latest, http://127.0.0.1:8000
python -m deploy.serve --run runs/signs --port 8080
python -m deploy.serve --host 0.0.0.0                for others, too: it asks nobody who they are
"""

import socket
import sys
from importlib.util import find_spec

from lab.command_line import parser, port, user_errors, whole_number
from lab.console import notice

NEEDED = ("fastapi", "uvicorn", "httptools", "python_multipart", "prometheus_client")


def check_installed():
    """ValueError that says what to install."""
    missing = [name for name in NEEDED if not find_spec(name)]
    if missing:
        raise ValueError(
            f"{', '.join(missing)}: not installed: "
            "`python -m pip install -r deploy/serve/requirements.txt`, or `make serve`"
        )


def listening(host, number):
    """A socket that listens; ValueError when the address cannot be had."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, number), family=family)
    except OSError as error:
        problem = error.strerror or error
        raise ValueError(f"{host} port {number}: {problem}: name another with --port") from None


def configured(app):
    """How uvicorn serves it: warnings and errors go to stderr, and that is all."""
    import uvicorn

    # A log_config would close the handlers of others, and with TensorFlow's also its stream.
    return uvicorn.Config(
        app, http="httptools", ws="none", log_config=None, log_level="warning", access_log=False
    )


def main(argv=None):
    options = parser(__doc__, "--run", "--weights", "--top")
    options.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    options.add_argument(
        "--port", type=port, default=8000, metavar="N", help="0 takes a free one (%(default)s)"
    )
    options.add_argument(
        "--queue", type=whole_number, default=256, metavar="N",
        help="pictures that may wait for their answer (default: %(default)s)",
    )  # fmt: skip
    options.set_defaults(run="runs/latest")
    args = options.parse_args(argv)

    from lab.runs import asked

    with user_errors():
        check_installed()
        asked.run(args.run, args.weights)
        listener = listening(args.host, args.port)

    from lab import device  # TensorFlow takes seconds to load: wrong names need not wait

    device.prepare()
    import uvicorn

    from deploy.serve.app import build
    from deploy.serve.classifier import Classifier
    from deploy.serve.limits import Limits
    from lab.runs.run import load

    with user_errors("stopped"):
        run = load(args.run, args.weights)
        app = build(Classifier(run, args.top), Limits(queue=args.queue))
        host, number = listener.getsockname()[:2]
        place = f"[{host}]" if ":" in host else host
        notice(f"{run.folder}: http://{place}:{number}, warming up")
        uvicorn.Server(configured(app)).run([listener])


if __name__ == "__main__":
    sys.exit(main())
