"""What can be downloaded: names, mirrors, sizes, hashes. Data only; `download.py` does the work.

Mirrors are tried from the first to the last. Where nobody has published a hash (the course's own
files), `download.py` reads the file and checks what is in it.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

COURSE = "https://d17h27t6h515a5.cloudfront.net/topher"
GTSRB = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370"
PICTURES = "https://raw.githubusercontent.com/udacity/CarND-Alexnet-Feature-Extraction/master"


@dataclass(frozen=True)
class Asset:
    """One published file, and what the lab makes of it."""

    file: str  # its name, here and in a folder that serves as a mirror
    mirrors: tuple[str, ...]
    size: int  # bytes
    hash: str = ""  # "sha256:..."; empty: none is public, the content is checked instead
    exact: bool = True  # False: the size is an estimate
    makes: str = ""  # the file or folder made from it; empty: it is used as it is
    otherwise: "Asset | None" = None  # the next best file with the same result
    advice: str = ""  # what else serves when no mirror delivers

    @property
    def result(self):
        """The name of the file or folder the lessons use."""
        return self.makes or self.file

    @property
    def choices(self):
        """This asset and those that can stand in for it, best first."""
        return (self, *(self.otherwise.choices if self.otherwise else ()))

    @property
    def hosts(self):
        """Where it comes from, each host once."""
        urls = [url for asset in self.choices for url in asset.mirrors]
        return list(dict.fromkeys(urlsplit(url).hostname for url in urls))


def picture(name, size, sha256):
    """One of the course's four pictures (MIT licence)."""
    return Asset(name, (f"{PICTURES}/{name}",), size, f"sha256:{sha256}")


def archive(name, size, md5):
    """One of the official archives, read as they are: nothing is unpacked."""
    return Asset(name, (f"{GTSRB}/{name}",), size, f"md5:{md5}")


WEIGHTS = Asset(
    "bvlc-alexnet.npy",
    (
        f"{COURSE}/2016/October/580d880c_bvlc-alexnet/bvlc-alexnet.npy",
        "https://www.cs.toronto.edu/~guerzhoy/tf_alexnet/bvlc_alexnet.npy",
        "http://www.cs.toronto.edu/~guerzhoy/tf_alexnet/bvlc_alexnet.npy",
    ),
    243_861_814,
    exact=False,
)

# The original comes first because its hash is public; the .npy files are conversions of it.
CAFFEMODEL = Asset(
    "bvlc_alexnet.caffemodel",
    (
        "https://dl.caffe.berkeleyvision.org/bvlc_alexnet.caffemodel",
        "http://dl.caffe.berkeleyvision.org/bvlc_alexnet.caffemodel",
        "https://nvidia.box.com/shared/static/5j264j7mky11q8emy4q14w3r8hl5v6zh.caffemodel",
        "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/caffe/models/bvlc_alexnet/"
        "bvlc_alexnet.caffemodel",
    ),
    243_862_414,
    "sha256:4bff209a9837298157915ef50a4831a59636a6ca1a6b8ebacd990c3a5f3053e0",
    makes="bvlc-alexnet.npy",
    otherwise=WEIGHTS,
)

ASSETS = {
    "weights": (CAFFEMODEL,),
    "train": (
        Asset(
            "train.p",
            (f"{COURSE}/2016/October/580a829f_train/train.p",),
            120_724_844,
            exact=False,
            advice="the same pictures: python download.py gtsrb, then "
            "--data GTSRB_Final_Training_Images.zip",
        ),
    ),
    "pictures": (
        picture(
            "poodle.png",
            118_296,
            "c7c6de6cbc4d237a2e4f5cdcab78e01bf68a4a3ff653862ab05def0c7d1a3aa9",
        ),
        picture(
            "weasel.png",
            101_910,
            "04e68cc7196f3d9501b0d2d7759e392c0b26159a316a189db054f0ebb031cf4e",
        ),
        picture(
            "stop.jpg",
            2_123,
            "ca7c0857c5047dc992c76e80f0e83092a93702dbc08613b304c4e24416dda0aa",
        ),
        picture(
            "construction.jpg",
            2_088,
            "dd932886d8fb55dd521c9e2dca6905268b910a784b986696052560e287d0fb7f",
        ),
    ),
    "gtsrb": (
        archive("GTSRB_Final_Training_Images.zip", 276_294_756, "f33fd80ac59bff73c82d25ab499e03a3"),
        archive("GTSRB_Final_Test_Images.zip", 88_978_620, "c7e4e6327067d32654124b0fe9e82185"),
        archive("GTSRB_Final_Test_GT.zip", 99_620, "fe31e9c9270bbcd7b84b7f21a9d9d9e5"),
    ),
    "signs": (
        Asset(
            "traffic-signs-data.zip",
            (
                f"{COURSE}/2017/February/5898cd6f_traffic-signs-data/traffic-signs-data.zip",
                "https://s3.amazonaws.com/video.udacity-data.com/topher/2017/February/"
                "5898cd6f_traffic-signs-data/traffic-signs-data.zip",
            ),
            124_000_000,
            exact=False,
            makes="traffic-signs-data",
        ),
    ),
    "vgg16": (
        Asset(
            "vgg16.npy",
            ("https://s3.amazonaws.com/content.udacity-data.com/nd101/vgg16.npy",),
            553_430_176,  # its 138,357,544 parameters alone
            "sha1:6206897b35c2bfe5d9d16b83314e44fc3ea83b1c",
            exact=False,
        ),
    ),
    "flowers": (
        Asset(
            "flower_photos.tgz",
            (
                "https://storage.googleapis.com/download.tensorflow.org/example_images/"
                "flower_photos.tgz",
                "http://download.tensorflow.org/example_images/flower_photos.tgz",
            ),
            228_813_984,
            "sha256:4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
            makes="flower_photos",
        ),
    ),
}

LESSONS = ("weights", "train", "pictures")  # what steps 1 to 4 need
