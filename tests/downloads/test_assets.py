"""The table of what can be downloaded."""

from lab.downloads import assets, obtain


def test_every_asset_can_be_checked_and_comes_over_http():
    for group in assets.ASSETS.values():
        for asset in group:
            for choice in asset.choices:
                assert choice.hash or choice.file.endswith(".zip") or choice.result in obtain.CHECKS
                assert choice.hash or not choice.exact
                assert all(url.startswith(("https://", "http://")) for url in choice.mirrors)
                assert not choice.makes or choice.makes in obtain.MAKERS
